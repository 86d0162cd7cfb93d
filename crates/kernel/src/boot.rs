//! From the configuration of the command line to the first program.
