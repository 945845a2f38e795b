//! One ordered road per target.
