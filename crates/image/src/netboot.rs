//! Files for machines that boot from the network: those of kernel+initrd, and a script that tells iPXE to fetch them from
//! where it has the script from.
//!
//! Source: ipxe.org/scripting, ipxe.org/cmd/kernel, and how iPXE's `core/exec.c` cuts a line into commands.

use ironkit_formats::FormatError;

use crate::{Error, Format, Outputs, Parts, Result, boot, uki};

/// What the kernel's UEFI stub calls the initrd; BIOSes do not need it.
const INITRD: &str = "initrd.img";

/// `NAME-kernel`, `NAME-initrd.img` and `NAME-cmdline` as in kernel+initrd, and `NAME.ipxe`.
pub(crate) fn write(parts: &Parts, outputs: &mut dyn Outputs) -> Result<()> {
    uki::kernel(parts, Format::Netboot)?;
    let script = script(&outputs.name(), &parts.boot.cmdline)?;
    boot::kernel_initrd(parts.image, &parts.boot, parts.initrd()?, outputs)?;
    outputs.create(".ipxe", &mut |out| {
        out.write_all(script.as_bytes())
            .map_err(|error| Error::Format(FormatError::Write(error)))
    })
}

/// The script. Its names are relative to its own address.
fn script(name: &str, cmdline: &[u8]) -> Result<String> {
    let hint = "leave that out of the kernel's `cmdline`";
    let cmdline =
        std::str::from_utf8(cmdline).map_err(|_| unsuitable("the command line is not UTF-8", hint))?;
    let cmdline = cmdline.trim();
    let refused = if cmdline.contains("${") {
        Some("iPXE replaces `${…}` in the command line")
    } else if cmdline.chars().any(char::is_control) {
        Some("iPXE's scripts cannot hold control characters of the command line")
    } else if cmdline.ends_with('\\') {
        Some("iPXE takes a `\\` at the end of the command line for its continuation")
    } else if cmdline
        .split(' ')
        .any(|word| word.starts_with('#') || ["||", "&&", ";"].contains(&word))
    {
        Some("iPXE takes words like `#`, `;`, `&&` and `||` of the command line for its own")
    } else {
        None
    };
    if let Some(reason) = refused {
        return Err(unsuitable(reason, hint));
    }
    let name = escaped(name);
    let line = format!("kernel {name}-kernel initrd={INITRD} {cmdline}");
    let line = line.trim_end();
    Ok(format!(
        "#!ipxe\n{line}\ninitrd --name {INITRD} {name}-initrd.img\nboot\n"
    ))
}

/// A name as part of an address (RFC 3986, 2.3). A path of its own keeps a colon from ending a scheme.
fn escaped(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte))
            }
            _ => text += &format!("%{byte:02X}"),
        }
    }
    text
}

fn unsuitable(reason: &str, hint: &str) -> Error {
    Error::Unsuitable {
        format: Format::Netboot.name(),
        reason: reason.to_owned(),
        hint: Some(hint.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts() {
        for (name, cmdline, expect) in [
            (
                "minimal",
                "console=ttyS0 x=1",
                "#!ipxe\nkernel minimal-kernel initrd=initrd.img console=ttyS0 x=1\n\
                 initrd --name initrd.img minimal-initrd.img\nboot\n",
            ),
            (
                "a b#ü:1",
                "\n",
                "#!ipxe\nkernel a%20b%23%C3%BC%3A1-kernel initrd=initrd.img\n\
                 initrd --name initrd.img a%20b%23%C3%BC%3A1-initrd.img\nboot\n",
            ),
        ] {
            assert_eq!(script(name, cmdline.as_bytes()).unwrap(), expect);
        }
        for cmdline in ["a=${b}", "a\nb", "a \\", "a #b", "a ; b", "a && b", "a || b"] {
            let error = script("x", cmdline.as_bytes()).unwrap_err();
            assert!(error.hint().is_some(), "{cmdline}: {error}");
        }
        assert!(script("x", b"\xff").is_err());
        // These are words like any others.
        assert!(script("x", b"a=b#c d;e f=$x").is_ok());
    }
}
