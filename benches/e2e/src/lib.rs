//! Whole clients over loopback, against others.
