//! From TOML to a checked plan.
