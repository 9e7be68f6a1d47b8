//! Partition tables: which range of a disk is what.
