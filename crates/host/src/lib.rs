//! host
#![no_std]
