//! Runs the benchmarks and writes tables and plots of what they found.
