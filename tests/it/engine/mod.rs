//! The engine by itself, without GraphQL and HTTP.

mod sign_up;
