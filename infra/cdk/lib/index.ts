/** Rules for the Lambda triggers of Amazon Cognito user pools. */
export { CognitoTriggers } from './cognito-triggers';
export { ConfigurationError } from './configuration';
export type { PoolRules, Rules } from './configuration';
export type { FunctionProps } from './functions';
export type { Program, Programs } from './program';
export type { CognitoTriggersProps } from './props';
export type * from './rules.generated';
export type { MailProps, ServiceProps } from './services';
export type { Trigger } from './triggers';
