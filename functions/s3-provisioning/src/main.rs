//! The Lambda for the triggers PostConfirmation and PostAuthentication.
cognito_triggers_lambda::function!((s3_provisioning::S3Provisioning,), ledger: LEDGER, bucket: BUCKET; templates: cognito_triggers_templates::open);
