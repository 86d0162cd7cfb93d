//! File systems and files without a name.
