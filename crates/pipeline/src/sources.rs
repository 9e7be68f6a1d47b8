//! Arguments → texts: where a manifest can come from.

use std::io::Read;
use std::path::Path;

use ironkit_manifest::SourceFile;
use ironkit_oci::http::Client;

use crate::{Context, Error, Result};

/// Largest manifest that is read, in bytes.
const MAX: u64 = 16 << 20;

/// Reads every argument: a file, `-` for `stdin`, or an address.
///
/// # Errors
/// The first one that cannot be read.
pub fn read(context: &Context, arguments: &[String], stdin: &mut dyn Read) -> Result<Vec<SourceFile>> {
    arguments
        .iter()
        .map(|argument| read_one(context, argument, stdin))
        .collect()
}

fn read_one(context: &Context, argument: &str, stdin: &mut dyn Read) -> Result<SourceFile> {
    let failed = |source| Error::Read {
        path: argument.into(),
        source,
    };
    if argument == "-" {
        let text = text(stdin).map_err(failed)?;
        return Ok(SourceFile {
            name: "<stdin>".to_owned(),
            text,
            directory: None,
        });
    }
    if argument.starts_with("http://") || argument.starts_with("https://") {
        let client = Client::new(context.registry.http.clone())?;
        let mut response = client.get(argument, &[])?;
        if response.status != 200 {
            return Err(response.into_error().into());
        }
        let text = String::from_utf8(response.bytes(MAX)?);
        let text = text.map_err(|error| failed(std::io::Error::other(error)))?;
        return Ok(SourceFile {
            name: argument.to_owned(),
            text,
            directory: None,
        });
    }
    // Relative as it was given, so that messages show it like that.
    let path = Path::new(argument);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let text = text(&mut file).map_err(failed)?;
    let directory = path.parent().map(Path::to_path_buf);
    Ok(SourceFile {
        name: argument.to_owned(),
        text,
        directory,
    })
}

fn text(from: &mut dyn Read) -> std::io::Result<String> {
    let mut text = String::new();
    from.take(MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX {
        return Err(std::io::Error::other(format!(
            "it is longer than {} MiB",
            MAX >> 20
        )));
    }
    Ok(text)
}

/// The base name of outputs when none is given: that of the last manifest, `moby` for standard input as in LinuxKit.
pub fn base_name(arguments: &[String]) -> String {
    let last = arguments.last().map_or("-", String::as_str);
    let stem = Path::new(last).file_stem().and_then(|stem| stem.to_str());
    match (last, stem) {
        ("-", _) | (_, None) => "moby".to_owned(),
        (_, Some(stem)) => stem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::base_name;

    #[test]
    fn outputs_are_named_after_the_last_manifest() {
        for (arguments, expect) in [
            (vec!["a.yml"], "a"),
            (vec!["a.yml", "dir/b.yaml"], "b"),
            (vec!["a.yml", "-"], "moby"),
            (vec!["http://localhost/x/c.yml"], "c"),
            (vec!["noext"], "noext"),
            (vec![], "moby"),
        ] {
            let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
            assert_eq!(base_name(&arguments), expect);
        }
    }
}
