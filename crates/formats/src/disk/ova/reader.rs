//! The files in an OVA.

use super::NAME;
use crate::archive::tar::BLOCK;
use crate::disk::vmdk::Vmdk;
use crate::read_at::{ReadAt, ReadError, Slice, broken, bytes};

/// The files of an archive.
pub struct Ova<'a> {
    image: &'a dyn ReadAt,
    members: Vec<Member>,
}

/// A file of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where its bytes are.
    pub offset: u64,
    /// How many these are.
    pub size: u64,
}

/// Files that an archive may have.
const MEMBERS_MAX: usize = 1024;
/// The longest description that is read, in bytes.
const OVF_MAX: u64 = 4 << 20;

impl<'a> Ova<'a> {
    /// Whether `image` begins as such a file: a tar archive whose first file is the description.
    pub fn is(image: &dyn ReadAt) -> bool {
        let first = bytes(image, NAME, 0, BLOCK).and_then(|head| member(&head, 0));
        first.is_ok_and(|first| first.is_some_and(|first| first.name.ends_with(".ovf")))
    }

    /// Reads the archive's heads.
    ///
    /// # Errors
    /// [`ReadError`] for what is no such archive.
    pub fn open(image: &'a dyn ReadAt) -> Result<Ova<'a>, ReadError> {
        let mut members = Vec::new();
        let mut at = 0;
        while at < image.size() {
            let head = bytes(image, NAME, at, BLOCK)?;
            let Some(member) = member(&head, at)? else {
                break;
            };
            let end = member.offset.checked_add(member.size);
            let Some(end) = end.filter(|end| *end <= image.size()) else {
                return Err(broken(NAME, at, format!("`{}` is not all there", member.name)));
            };
            at = end.next_multiple_of(BLOCK as u64);
            members.push(member);
            if members.len() > MEMBERS_MAX {
                return Err(broken(NAME, at, "there are too many files"));
            }
        }
        Ok(Ova { image, members })
    }

    /// All files.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The machine's description.
    ///
    /// # Errors
    /// [`ReadError`] when there is none, or one that is no text.
    pub fn description(&self) -> Result<String, ReadError> {
        let member = self.member(".ovf")?;
        let length = usize::try_from(member.size.min(OVF_MAX)).unwrap_or(0);
        let text = bytes(self.image, NAME, member.offset, length)?;
        String::from_utf8(text).map_err(|_| broken(NAME, member.offset, "the description is no text"))
    }

    /// The disk in the first file that is one.
    ///
    /// # Errors
    /// [`ReadError`] when there is none, and what [`Vmdk`] says.
    pub fn disk(&self) -> Result<Vmdk<'a>, ReadError> {
        let member = self.member(".vmdk")?;
        let slice = Slice::new(self.image, member.offset, member.size);
        Vmdk::open(slice.ok_or_else(|| broken(NAME, member.offset, "the disk is not all there"))?)
    }

    fn member(&self, end: &str) -> Result<&Member, ReadError> {
        let found = self.members.iter().find(|member| member.name.ends_with(end));
        found.ok_or_else(|| broken(NAME, 0, format!("there is no file `*{end}`")))
    }
}

/// The file whose head that is; none for a block of zeros.
fn member(head: &[u8], at: u64) -> Result<Option<Member>, ReadError> {
    if head.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let (size, sum) = (octal(&head[124..136]), octal(&head[148..156]));
    let blank = 8 * u64::from(b' ');
    let all = head.iter().map(|&byte| u64::from(byte)).sum::<u64>();
    let own = head[148..156].iter().map(|&byte| u64::from(byte)).sum::<u64>();
    if &head[257..262] != b"ustar" || sum != Some(all - own + blank) {
        return Err(broken(NAME, at, "there is no head of a file"));
    }
    let name = head[..100].split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(Some(Member {
        name: String::from_utf8_lossy(name).into_owned(),
        offset: at + BLOCK as u64,
        size: size.ok_or_else(|| broken(NAME, at, "a file has no size"))?,
    }))
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches([' ', '\0']), 8).ok()
}
