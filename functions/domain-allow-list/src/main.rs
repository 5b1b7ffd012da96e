//! The Lambda for the trigger PreSignUp, and by choice PostAuthentication.
cognito_triggers_lambda::function!((domain_allow_list::DomainAllowList,));
