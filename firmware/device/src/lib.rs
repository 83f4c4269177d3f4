//! What the images do, whatever drives them.
#![no_std]
