//! A rectangle divided among weights, in pieces that are as square as can be: squarified treemaps (Bruls, Huizing and van
//! Wijk, 2000).

/// A rectangle of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rectangle {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Rectangle {
    /// What is left when the edges are this much further inside, and those above `top` more.
    pub fn inset(self, edge: f64, top: f64) -> Rectangle {
        Rectangle {
            x: self.x + edge,
            y: self.y + edge + top,
            width: (self.width - 2.0 * edge).max(0.0),
            height: (self.height - 2.0 * edge - top).max(0.0),
        }
    }

    fn area(self) -> f64 {
        self.width * self.height
    }
}

/// Divides `whole` in proportion to `weights`, which are in falling order and above zero.
pub(super) fn divide(whole: Rectangle, weights: &[f64]) -> Vec<Rectangle> {
    let mut pieces = Vec::with_capacity(weights.len());
    let (mut rest, mut weights) = (whole, weights);
    while !weights.is_empty() {
        let scale = rest.area() / weights.iter().sum::<f64>();
        let side = rest.width.min(rest.height);
        // As many as make the row's pieces squarer, not longer.
        let mut count = 1;
        while count < weights.len()
            && longest(&weights[..=count], scale, side) <= longest(&weights[..count], scale, side)
        {
            count += 1;
        }
        let (row, others) = weights.split_at(count);
        rest = place(row, scale, rest, &mut pieces);
        weights = others;
    }
    pieces
}

/// How far the worst piece of a row along an edge of length `side` is from a square.
fn longest(row: &[f64], scale: f64, side: f64) -> f64 {
    let sum: f64 = row.iter().sum::<f64>() * scale;
    let worst = |weight: &f64| {
        let area = weight * scale;
        (side * side * area / (sum * sum)).max(sum * sum / (side * side * area))
    };
    row.iter().map(worst).fold(0.0, f64::max)
}

/// Places a row along the shorter edge of `rest`, and gives what is left.
fn place(row: &[f64], scale: f64, rest: Rectangle, pieces: &mut Vec<Rectangle>) -> Rectangle {
    let sum: f64 = row.iter().sum::<f64>() * scale;
    let wide = rest.width >= rest.height;
    let side = if wide { rest.height } else { rest.width };
    let depth = if side > 0.0 { sum / side } else { 0.0 };
    let mut along = 0.0;
    for weight in row {
        let length = if depth > 0.0 { weight * scale / depth } else { 0.0 };
        pieces.push(match wide {
            true => Rectangle {
                x: rest.x,
                y: rest.y + along,
                width: depth,
                height: length,
            },
            false => Rectangle {
                x: rest.x + along,
                y: rest.y,
                width: length,
                height: depth,
            },
        });
        along += length;
    }
    match wide {
        true => Rectangle {
            x: rest.x + depth,
            width: (rest.width - depth).max(0.0),
            ..rest
        },
        false => Rectangle {
            y: rest.y + depth,
            height: (rest.height - depth).max(0.0),
            ..rest
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_fill_the_whole_in_proportion() {
        let whole = Rectangle {
            x: 1.0,
            y: 2.0,
            width: 600.0,
            height: 400.0,
        };
        for weights in [
            &[1.0][..],
            &[6.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0],
            &[1000.0, 1.0, 1.0, 0.001],
            &[1.0; 500],
        ] {
            let pieces = divide(whole, weights);
            assert_eq!(pieces.len(), weights.len());
            let scale = whole.area() / weights.iter().sum::<f64>();
            for (piece, weight) in pieces.iter().zip(weights) {
                assert!((piece.area() - weight * scale).abs() < 1e-6, "{piece:?}");
                let inside = piece.x >= whole.x - 1e-6
                    && piece.y >= whole.y - 1e-6
                    && piece.x + piece.width <= whole.x + whole.width + 1e-6
                    && piece.y + piece.height <= whole.y + whole.height + 1e-6;
                assert!(inside, "{piece:?} of {weights:?}");
            }
        }
        assert!(divide(whole, &[]).is_empty());
    }
}
