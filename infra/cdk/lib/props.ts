/** What can be said of the construct. */
import type { RemovalPolicy } from 'aws-cdk-lib';
import type { IUserPool, LambdaVersion, UserPoolProps } from 'aws-cdk-lib/aws-cognito';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { PoolRules, Rules } from './configuration';
import type { FunctionProps } from './functions';
import type { Programs } from './program';
import type { ServiceProps } from './services';

export interface CognitoTriggersProps extends ServiceProps {
  /**
   * Whether the pool that is made sends its own messages through SES, from `mail.from`. Its domain has to be verified before.
   *
   * @default false: Cognito sends them, 50 a day at most
   */
  readonly poolMail?: boolean;
  /** The rules that are on, with their settings: `{ domainAllowList: { allow: ['example.com'] }, sessionLimit: { max: 3 } }`. */
  readonly rules: Rules;
  /** What other pools that use the same functions want otherwise, by their ids. */
  readonly pools?: Readonly<Record<string, PoolRules>>;
  /**
   * A user pool of the same stack, whose triggers are set; or one that is imported, which CloudFormation cannot give triggers:
   * it has to be attached by hand, see the output `LambdaConfig`.
   *
   * @default - a user pool is made
   */
  readonly userPool?: IUserPool;
  /** Of the pool that is made. What is left out is as README.md says. */
  readonly userPoolProps?: UserPoolProps;
  /**
   * `one`: one function for all triggers. `each`: the same program once for every trigger, each with a role that may do less.
   *
   * @default 'one'
   */
  readonly layout?: 'one' | 'each';
  /**
   * Triggers to attach though they change what the pool does: `UserMigration` and `InboundFederation`, for `maintenance`.
   *
   * @default - none
   */
  readonly moreTriggers?: readonly ('UserMigration' | 'InboundFederation')[];
  /**
   * Of PreTokenGeneration's event. V2 and V3 need the feature plan Essentials or Plus.
   *
   * @default - V2_0, or V1_0 for a pool that is made with the feature plan Lite
   */
  readonly tokenVersion?: LambdaVersion;
  /**
   * Where programs are: a folder with `pool/bootstrap` and so on, or a function that gives each its code.
   *
   * @default - where `cargo lambda build` leaves them: `$CARGO_TARGET_DIR/lambda`, else `target/lambda`
   */
  readonly code?: Programs;
  /** Of all functions; memory, time-out and concurrency of those behind triggers alone. */
  readonly functionProps?: FunctionProps;
  /** Of the courier, before `functionProps`. Reserve a concurrency of 2 if the account has it to give. */
  readonly courierProps?: FunctionProps;
  /** Of the pages behind links, before `functionProps`. Reserve a concurrency of 5 if the account has it to give. */
  readonly linksProps?: FunctionProps;
  /** Of what ends sessions, before `functionProps`. */
  readonly sessionReleaseProps?: FunctionProps;
  /**
   * A folder of templates.
   *
   * @default - those that are built in
   */
  readonly templates?: string;
  /** Other folders that rules name, by their names there: `{ provision: 'assets/provision' }` for `s3Provisioning: { files: 'provision/' }`. */
  readonly folders?: Readonly<Record<string, string>>;
  /**
   * The program that checks the configuration and its templates while the app is synthesised, and puts the CSS of templates into
   * their elements: `['cargo', 'local']` in a clone of cognito-triggers.
   *
   * @default - only the schema is checked, and templates are taken as they are
   */
  readonly packager?: readonly string[];
  /**
   * When mails, files and events are sent: `inline` before PostConfirmation is answered, `deferred` by the courier alone.
   *
   * @default 'inline'
   */
  readonly delivery?: 'inline' | 'deferred';
  /**
   * The root key: at least 32 bytes in hexadecimal or Base64. Who may read the functions' configuration can read it.
   *
   * @default - one is made. What is in it has to be kept: names, invitations and links depend on it
   */
  readonly rootKey?: ISecret;
  /**
   * Where links in mails lead, if that is an address of your own in front of the function's URL.
   *
   * @default - the URL of the function
   */
  readonly linksUrl?: string;
  /**
   * Whether there is the function that ends sessions when users sign out or are deleted.
   *
   * @default - if `sessionLimit`, `uniqueNickname` or `passwordAge` is on
   */
  readonly sessionRelease?: boolean;
  /**
   * Whether to make the CloudTrail trail that it hears by. Not needed if the account has one.
   *
   * @default false
   */
  readonly trail?: boolean;
  /** Who hears of alarms. */
  readonly alarmTopic?: ITopic;
  /**
   * Whether there is a dashboard.
   *
   * @default true
   */
  readonly dashboard?: boolean;
  /** @default RetentionDays.ONE_MONTH */
  readonly logRetention?: RetentionDays;
  /**
   * Of the pool, the table, the bucket and the root key. `DESTROY` also switches off their protection against being deleted.
   *
   * @default RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
   */
  readonly removalPolicy?: RemovalPolicy;
  /**
   * Where functions look for their configuration.
   *
   * @default - in the layer: /opt/triggers/triggers.toml
   */
  readonly configPath?: string;
}
