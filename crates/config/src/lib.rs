//! config
#![no_std]
