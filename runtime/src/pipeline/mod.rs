//! The corridor: a batch in, messages out, tickets opened.
