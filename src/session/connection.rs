//! Where a request comes from, and whether that is where its session belongs.

use super::Sessions;
use crate::{
    error::{ErrorKind, Result},
    request::{ConnectionInfo, SessionRequest},
};

impl Sessions {
    /// The request's address and user agent.
    ///
    /// # Errors
    ///
    /// `INVALID_LOCATION_INFO_IP` or `INVALID_LOCATION_INFO_USER_AGENT` where one is missing.
    #[doc(alias = "getConnectionInfo")]
    pub fn connection_info(&self, request: &SessionRequest) -> Result<ConnectionInfo> {
        let ip = request.ip.ok_or(ErrorKind::InvalidLocationInfoIp)?;
        let user_agent = request
            .user_agent
            .clone()
            .ok_or(ErrorKind::InvalidLocationInfoUserAgent)?;
        let from = ConnectionInfo { ip, user_agent }.normalized();
        if from.user_agent.is_empty() {
            return Err(ErrorKind::InvalidLocationInfoUserAgent.into());
        }
        Ok(from)
    }

    pub(super) fn agent_matches(&self, known: &str, presented: &str) -> bool {
        self.0
            .user_agents
            .matches(self.0.policy.user_agent_binding, known, presented)
    }
}
