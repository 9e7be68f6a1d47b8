//! The `kernel` section.

use crate::decode::{Mapping, string};
use crate::reference::optional_image;
use crate::schema;
use crate::yaml::Node;
use crate::{Diagnostic, Diagnostics, Spanned};

/// The kernel. Every field can be left out, since a later manifest may fill it in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kernel {
    /// The image that holds it. Without one the whole section counts for nothing.
    pub image: Option<Spanned<String>>,
    /// The command line; see [`Kernel::cmdline`].
    pub cmdline: Option<Spanned<String>>,
    /// Name of the kernel's file in the image; see [`Kernel::binary`].
    pub binary: Option<Spanned<String>>,
    /// Name of a tar file in the image, to be unpacked into the root; see [`Kernel::tar`].
    pub tar: Option<Spanned<String>>,
    /// Name of a microcode archive in the image.
    pub ucode: Option<Spanned<String>>,
}

impl Kernel {
    /// The command line, empty by default.
    pub fn cmdline(&self) -> &str {
        self.cmdline.as_ref().map_or("", |cmdline| cmdline)
    }

    /// Name of the kernel's file, `kernel` by default.
    pub fn binary(&self) -> &str {
        self.binary.as_ref().map_or("kernel", |binary| binary)
    }

    /// Name of the tar file with modules, `kernel.tar` by default. `""` and `none` mean that there is none.
    pub fn tar(&self) -> Option<&str> {
        Some(self.tar.as_ref().map_or("kernel.tar", |tar| tar)).filter(|tar| !matches!(*tar, "" | "none"))
    }

    /// Name of the microcode archive.
    pub fn ucode(&self) -> Option<&str> {
        self.ucode
            .as_ref()
            .map(|ucode| ucode.as_str())
            .filter(|ucode| !ucode.is_empty())
    }

    /// Takes over what a later manifest says.
    pub(crate) fn merge(&mut self, later: Kernel) {
        let Kernel {
            image,
            cmdline,
            binary,
            tar,
            ucode,
        } = later;
        self.image = image.or(self.image.take());
        self.cmdline = cmdline.or(self.cmdline.take());
        self.binary = binary.or(self.binary.take());
        self.tar = tar.or(self.tar.take());
        self.ucode = ucode.or(self.ucode.take());
    }
}

/// Bytes of a command line that kernels keep (`COMMAND_LINE_SIZE` of x86 and arm64 is 2048, with the final NUL).
const CMDLINE_KEPT: usize = 2047;

/// Decodes the section. One that says nothing is as good as none.
pub(crate) fn kernel(node: &Node, out: &mut Diagnostics) -> Option<Kernel> {
    let map = Mapping::object(node, "`kernel`", &schema::KERNEL, out)?;
    let kernel = Kernel {
        image: map.get("image", out, optional_image),
        cmdline: map
            .get("cmdline", out, string)
            .filter(|cmdline| !cmdline.is_empty()),
        binary: map.get("binary", out, string).filter(|binary| !binary.is_empty()),
        tar: map.get("tar", out, string),
        ucode: map.get("ucode", out, string),
    };
    if let Some(cmdline) = kernel
        .cmdline
        .as_ref()
        .filter(|cmdline| cmdline.len() > CMDLINE_KEPT)
    {
        let message = format!(
            "the command line has {} bytes; kernels keep the first {CMDLINE_KEPT}",
            cmdline.len()
        );
        out.push(Diagnostic::warning(cmdline.span, message).label("the rest never reaches the kernel"));
    }
    if let Some(cmdline) = kernel
        .cmdline
        .as_ref()
        .filter(|cmdline| cmdline.contains(['\n', '\r', '\0']))
    {
        let warning = Diagnostic::warning(cmdline.span, "the command line is not one line");
        out.push(warning.hint("`>-` instead of `|` joins the lines of a text"));
    }
    Some(kernel).filter(|kernel| *kernel != Kernel::default())
}
