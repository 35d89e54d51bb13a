//! Where a request comes from, and whether that is where its session belongs.

use super::{Sessions, UserAgentBinding, user_agent};
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
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty());
        let user_agent = user_agent.ok_or(ErrorKind::InvalidLocationInfoUserAgent)?;
        Ok(ConnectionInfo {
            ip: ip.to_canonical(),
            user_agent: user_agent::truncate(user_agent).to_owned(),
        })
    }

    pub(super) fn agent_matches(&self, known: &str, presented: &str) -> bool {
        self.0
            .user_agents
            .matches(self.0.policy.user_agent_binding, known, presented)
    }

    /// The text by which the usual refresh compares agents in SQL; `None` where only equal texts match.
    pub(super) fn agent_family(&self, user_agent: &str) -> Option<String> {
        match self.0.policy.user_agent_binding {
            UserAgentBinding::Exact => None,
            UserAgentBinding::Family | UserAgentBinding::Off => {
                self.0.user_agents.families(user_agent).family()
            }
        }
    }
}
