//! Runs the benchmarks and writes tables and plots of what they found.
//!
//! [`targets`] says what there is to run, [`run`] runs it and keeps what comes out together with
//! what is to be known of the [`machine`]. [`read`] turns that into rows, [`grid`] puts rows of one
//! table side by side, [`pages`] writes them down, with [`plot`]s, and [`goals`] judges them. Which
//! pages, plots and goals there are, and what is said of them, is in the [`catalogue`].
//!
//! Nothing after `read` asks the machine or the clock, so the same figures make the same pages.

pub mod catalogue;
pub mod goals;
pub mod grid;
pub mod machine;
pub mod pages;
pub mod plot;
pub mod read;
pub mod run;
pub mod splice;
pub mod targets;
