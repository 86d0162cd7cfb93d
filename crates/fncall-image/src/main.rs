//! The freestanding kernel.
#![no_std]
#![no_main]
