//! Work on a stream's blocks with several threads, in the stream's order.
//!
//! ```text
//!            ┌─▶ worker ─┐
//! produce ───┼─▶ worker ─┼──▶ consume
//!   │        └─▶ worker ─┘       ▲
//!   └── whose result is next ────┘
//! ```

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

/// Blocks on the way for each thread. Memory is this many blocks a thread, whatever the stream's length.
const WAITING: usize = 4;

/// Nobody takes blocks any more: whoever consumes failed, and its error is the one that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody takes what is made")]
pub struct Stopped;

/// Gives every block that `produce` hands over to one of `threads` workers, and what they make of it to `consume`, in the
/// order in which it was handed over. Each worker has a state of its own, made by `state`. `consume` runs beside `produce`.
///
/// # Errors
/// Those of `consume`, or else of `produce`.
pub fn ordered<I: Send, O: Send, S, E: Send>(
    threads: NonZeroUsize,
    produce: impl FnOnce(&mut dyn FnMut(I) -> Result<(), Stopped>) -> Result<(), E>,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, I) -> O + Sync,
    mut consume: impl FnMut(O) -> Result<(), E> + Send,
) -> Result<(), E> {
    let waiting = threads.get() * WAITING;
    let (to_workers, blocks) = sync_channel::<(I, SyncSender<O>)>(waiting);
    let (to_consumer, results) = sync_channel::<Receiver<O>>(waiting);
    let blocks = Mutex::new(blocks);
    std::thread::scope(|scope| {
        for _ in 0..threads.get() {
            scope.spawn(|| {
                let mut state = state();
                while let Some((block, result)) = next(&blocks) {
                    // Nobody waits for it when the consumer failed.
                    let _ = result.send(work(&mut state, block));
                }
            });
        }
        let consumer = scope.spawn(move || {
            // A worker that panicked sends nothing; the scope passes its panic on.
            results
                .iter()
                .map_while(|result| result.recv().ok())
                .try_for_each(&mut consume)
        });
        let produced = produce(&mut |block| {
            let (to_result, result) = sync_channel(1);
            to_workers.send((block, to_result)).map_err(|_| Stopped)?;
            to_consumer.send(result).map_err(|_| Stopped)
        });
        drop((to_workers, to_consumer));
        let consumed = consumer
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        consumed.and(produced)
    })
}

fn next<T>(blocks: &Mutex<Receiver<T>>) -> Option<T> {
    let blocks = blocks.lock().unwrap_or_else(PoisonError::into_inner);
    blocks.recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(threads: usize, until: u64, fail_at: u64) -> (Result<(), String>, Vec<u64>) {
        let mut seen = Vec::new();
        let result = ordered(
            NonZeroUsize::new(threads).unwrap(),
            |next| {
                for number in 0..until {
                    next(number).map_err(|stopped| stopped.to_string())?;
                }
                Ok(())
            },
            || 0,
            |done, number: u64| {
                *done += 1;
                number * number
            },
            |square| {
                if square == fail_at * fail_at {
                    return Err(format!("no {square}"));
                }
                seen.push(square);
                Ok(())
            },
        );
        (result, seen)
    }

    #[test]
    fn results_come_in_order() {
        for threads in [1, 2, 7] {
            let (result, seen) = squares(threads, 1000, 5000);
            assert_eq!(result, Ok(()));
            assert!(seen.into_iter().eq((0..1000).map(|number| number * number)));
        }
    }

    #[test]
    fn the_consumers_error_ends_it() {
        let (result, seen) = squares(3, u64::MAX, 100);
        assert_eq!(result, Err("no 10000".to_owned()));
        assert_eq!(seen.len(), 100);
    }
}
