//! Events about users, for billing and analytics.
