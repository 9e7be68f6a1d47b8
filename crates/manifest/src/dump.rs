//! A merged manifest as a document again: for `metadata` in `files`, and for `build --dry-run`.
//!
//! Keys stand in LinuxKit's order. What LinuxKit always writes is always there; everything else only when it is given, so
//! that the document says the same as the manifest when it is read again, by us and, but for IronKit's own fields, by
//! LinuxKit. Comments, anchors, `trust` and the division into files are gone, `@pkg:` is resolved.

mod container;

use crate::data::{self, Data};
use crate::{File, FileContent, Id, Kernel, Manifest, MetadataFormat, Spanned, Volume, VolumeFormat};

/// How image references are written.
pub type Name<'n> = &'n dyn Fn(&str) -> String;

/// As the manifest has them.
pub fn as_written(reference: &str) -> String {
    reference.to_owned()
}

/// The manifest as YAML.
pub fn yaml(manifest: &Manifest, name: Name<'_>) -> String {
    data::yaml(&document(manifest, name))
}

/// The manifest as JSON, with indentation.
pub fn json(manifest: &Manifest, name: Name<'_>) -> String {
    data::pretty(&document(manifest, name))
}

fn document(manifest: &Manifest, name: Name<'_>) -> Data {
    let containers = |containers: &[crate::Container]| {
        Data::List(
            containers
                .iter()
                .map(|one| container::container(one, name))
                .collect(),
        )
    };
    Data::map([
        ("kernel", kernel(manifest.kernel.as_ref(), name)),
        (
            "init",
            Data::List(
                manifest
                    .init
                    .iter()
                    .map(|image| Data::text(name(image)))
                    .collect(),
            ),
        ),
        ("onboot", containers(&manifest.onboot)),
        ("onshutdown", containers(&manifest.onshutdown)),
        ("services", containers(&manifest.services)),
        ("files", Data::List(manifest.files.iter().map(file).collect())),
        (
            "volumes",
            Data::List(manifest.volumes.iter().map(|one| volume(one, name)).collect()),
        ),
    ])
}

fn kernel(kernel: Option<&Kernel>, name: Name<'_>) -> Data {
    let given =
        |field: fn(&Kernel) -> &Option<Spanned<String>>| kernel.and_then(|kernel| field(kernel).as_ref());
    let image = given(|kernel| &kernel.image).map_or(String::new(), |image| name(image));
    let mut fields = Fields::default();
    fields.add("image", Some(image));
    fields.add("cmdline", given(|kernel| &kernel.cmdline));
    fields.add("binary", given(|kernel| &kernel.binary));
    fields.add("tar", given(|kernel| &kernel.tar));
    fields.add("ucode", given(|kernel| &kernel.ucode));
    fields.data()
}

fn file(file: &File) -> Data {
    let mut fields = Fields::default();
    fields.add("path", Some(&file.path));
    fields.add("directory", Some(file.content == FileContent::Directory));
    match &file.content {
        FileContent::Directory => {}
        FileContent::Symlink(target) => fields.add("symlink", Some(target)),
        FileContent::Contents(text) => fields.add("contents", Some(text)),
        FileContent::Source(path) => fields.add("source", Some(path)),
        FileContent::Metadata(MetadataFormat::Yaml) => fields.add("metadata", Some("yaml".to_owned())),
        FileContent::Metadata(MetadataFormat::Json) => fields.add("metadata", Some("json".to_owned())),
    }
    fields.add("optional", Some(file.optional));
    fields.add("mode", file.mode.as_ref().map(|mode| mode.text.clone()));
    fields.add("uid", file.uid.as_ref());
    fields.add("gid", file.gid.as_ref());
    fields.data()
}

fn volume(volume: &Volume, name: Name<'_>) -> Data {
    let format = match volume.format {
        VolumeFormat::Filesystem => "filesystem",
        VolumeFormat::Oci => "oci",
    };
    let platforms = Some(&volume.platforms).filter(|platforms| !platforms.is_empty());
    let mut fields = Fields::default();
    fields.add("name", Some(&volume.name));
    fields.add("image", volume.image.as_ref().map(|image| name(image)));
    fields.add("readonly", Some(true).filter(|_| volume.readonly));
    fields.add(
        "format",
        Some(format.to_owned()).filter(|_| volume.explicit_format),
    );
    fields.add("platforms", platforms);
    fields.data()
}

/// A mapping in the making. Fields that are absent are left out.
#[derive(Default)]
pub(crate) struct Fields(Vec<(String, Data)>);

impl Fields {
    /// Adds a field.
    pub(crate) fn add<T: Written>(&mut self, key: &str, value: Option<T>) {
        self.0
            .extend(value.map(|value| (key.to_owned(), value.written())));
    }

    /// The mapping.
    pub(crate) fn data(self) -> Data {
        Data::Map(self.0)
    }
}

/// A value that has a form in documents.
pub(crate) trait Written {
    /// That form.
    fn written(&self) -> Data;
}

impl<T: Written + ?Sized> Written for &T {
    fn written(&self) -> Data {
        (**self).written()
    }
}

impl<T: Written> Written for Spanned<T> {
    fn written(&self) -> Data {
        self.value.written()
    }
}

impl<T: Written> Written for Vec<T> {
    fn written(&self) -> Data {
        Data::List(self.iter().map(Written::written).collect())
    }
}

impl<T: Written> Written for std::collections::BTreeMap<String, T> {
    fn written(&self) -> Data {
        Data::map(self.iter().map(|(key, value)| (key.as_str(), value.written())))
    }
}

impl Written for String {
    fn written(&self) -> Data {
        Data::text(self.as_str())
    }
}

impl Written for bool {
    fn written(&self) -> Data {
        Data::Boolean(*self)
    }
}

impl Written for Id {
    fn written(&self) -> Data {
        match self {
            Id::Number(number) => number.written(),
            Id::Name(name) => name.written(),
        }
    }
}

macro_rules! integers {
    ($($type:ty),*) => {
        $(impl Written for $type {
            fn written(&self) -> Data {
                Data::Integer(i128::from(*self))
            }
        })*
    };
}
integers!(u16, i32, u32, i64, u64);
