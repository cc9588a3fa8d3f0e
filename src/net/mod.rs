//! The network as data, where each parameter lies, initialisation, model file.
