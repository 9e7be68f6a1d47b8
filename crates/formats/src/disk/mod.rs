//! Formats of virtual disks: the bytes of a disk, in another order or with holes left out.
