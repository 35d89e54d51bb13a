//! The contract over the real router.

mod current_session;
