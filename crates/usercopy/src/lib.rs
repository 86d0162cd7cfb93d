//! usercopy
#![no_std]
