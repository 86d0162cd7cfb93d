//! fncall
#![no_std]
