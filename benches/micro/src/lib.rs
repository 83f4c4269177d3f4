//! Codecs and engines without I/O, against others.
