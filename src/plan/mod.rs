//! A step and an inference pass as a list of operations.
