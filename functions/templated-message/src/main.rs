//! The Lambda for the rule `templated-message`.
cognito_triggers_lambda::function!((templated_message::TemplatedMessage,); templates: cognito_triggers_templates::open_for_messages);
