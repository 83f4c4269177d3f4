//! The client without a heap.
