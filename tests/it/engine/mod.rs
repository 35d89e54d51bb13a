//! The engine by itself, without GraphQL and HTTP.

mod rotation_model;
mod sign_up;
