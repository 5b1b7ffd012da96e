/** What is outside: the table, the bucket, who sends mails and where events go. Taken if given, made if a rule needs it. */
import { Arn, Duration, RemovalPolicy, type Stack } from 'aws-cdk-lib';
import {
  AttributeType,
  BillingMode,
  type ITable,
  ProjectionType,
  StreamViewType,
  Table,
  TableEncryption,
} from 'aws-cdk-lib/aws-dynamodb';
import { EventBus, type IEventBus } from 'aws-cdk-lib/aws-events';
import { BlockPublicAccess, Bucket, BucketEncryption, type IBucket, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import {
  ConfigurationSet,
  ConfigurationSetTlsPolicy,
  EmailIdentity,
  type IConfigurationSet,
  type IEmailIdentity,
  Identity,
  SuppressionReasons,
} from 'aws-cdk-lib/aws-ses';
import type { Construct } from 'constructs';
import type { Granted } from './grants';
import { address, literal } from './statements';

/** Who sends mails. */
export interface MailProps {
  /** Whom mails are from, e.g. `Acme <hello@acme.example>`. */
  readonly from: string;
  /** Where answers go, unless a rule says otherwise. */
  readonly replyTo?: readonly string[];
  /**
   * The identity that is verified in SES.
   *
   * @default - the sender's address and its domain are allowed, whichever of them is verified
   */
  readonly identity?: IEmailIdentity;
  /**
   * Makes the identity: the sender's domain. Its records have then to be put into the DNS before SES sends anything.
   *
   * @default false
   */
  readonly makeIdentity?: boolean;
  /**
   * @default - one is made, which demands TLS and keeps those who bounced or complained from getting more
   */
  readonly configurationSet?: IConfigurationSet;
}

/** Services of AWS that rules rely on. What is not given and is needed is made. */
export interface ServiceProps {
  /** The table of the ledger. One that is imported has to be as `shared/aws/src/dynamodb/mod.rs` says. */
  readonly ledger?: ITable;
  /** Where users' files are. */
  readonly bucket?: IBucket;
  /** A part of that bucket, e.g. `pool-a/`. */
  readonly bucketFolder?: string;
  /** Where events about users go. */
  readonly bus?: IEventBus;
  /** Who sends mails. Has to be given if a rule sends any. */
  readonly mail?: MailProps;
}

export class Mail {
  public constructor(
    public readonly props: MailProps,
    public readonly configurationSet: IConfigurationSet,
    public readonly identity?: IEmailIdentity,
  ) {}

  public get sender(): string {
    return this.props.from;
  }

  /** The ARNs of what these senders may be verified by. */
  public identities(senders: readonly string[], stack: Stack): string[] {
    if (this.identity !== undefined) return [this.identity.emailIdentityArn];
    const names = [...new Set(senders.flatMap((sender) => [sender, sender.replace(/^.*@/, '')]))];
    return names.map((name) =>
      Arn.format({ service: 'ses', resource: 'identity', resourceName: literal(name) }, stack),
    );
  }

  /** As `[services]` names it. */
  public get address(): string {
    const value = (plain: string) => plain.replace(/[%&#]/g, (letter) => encodeURIComponent(letter));
    const options = [
      `configuration-set=${this.configurationSet.configurationSetName}`,
      ...(this.props.replyTo ?? []).map((to) => `reply-to=${value(to)}`),
    ];
    return `ses:${this.props.from}?${options.join('&')}`;
  }
}

export interface Services {
  readonly ledger?: ITable;
  readonly bucket?: IBucket;
  /** Empty, or ends with `/`. */
  readonly bucketFolder: string;
  readonly bus?: IEventBus;
  readonly mail?: Mail;
}

export function servicesOf(
  scope: Construct,
  props: ServiceProps,
  granted: readonly Granted[],
  removalPolicy: RemovalPolicy,
): Services {
  const needs = (...kinds: string[]) => granted.some((one) => kinds.includes(one.resource));
  const folder = (props.bucketFolder ?? '').replace(/^\/+|\/+$/g, '');
  return {
    ledger: props.ledger ?? (needs('ledger-table', 'ledger-index') ? table(scope, removalPolicy) : undefined),
    bucket: props.bucket ?? (needs('user-objects') ? bucket(scope, removalPolicy) : undefined),
    bucketFolder: folder === '' ? '' : `${folder}/`,
    bus: props.bus ?? (needs('event-bus') ? new EventBus(scope, 'Events') : undefined),
    mail: needs('sender-identity') ? mail(scope, props.mail, granted) : undefined,
  };
}

function table(scope: Construct, removalPolicy: RemovalPolicy): Table {
  const ledger = new Table(scope, 'Ledger', {
    partitionKey: { name: 'pk', type: AttributeType.STRING },
    sortKey: { name: 'sk', type: AttributeType.STRING },
    billingMode: BillingMode.PAY_PER_REQUEST,
    encryption: TableEncryption.AWS_MANAGED,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    timeToLiveAttribute: 'ttl',
    stream: StreamViewType.NEW_IMAGE,
    deletionProtection: removalPolicy !== RemovalPolicy.DESTROY,
    removalPolicy,
  });
  ledger.addGlobalSecondaryIndex({
    indexName: 'due',
    partitionKey: { name: 'shard', type: AttributeType.NUMBER },
    sortKey: { name: 'due', type: AttributeType.NUMBER },
    projectionType: ProjectionType.KEYS_ONLY,
  });
  return ledger;
}

function bucket(scope: Construct, removalPolicy: RemovalPolicy): Bucket {
  return new Bucket(scope, 'Files', {
    encryption: BucketEncryption.S3_MANAGED,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
    enforceSSL: true,
    lifecycleRules: [{ id: 'unfinished', abortIncompleteMultipartUploadAfter: Duration.days(7) }],
    removalPolicy,
  });
}

function mail(scope: Construct, props: MailProps | undefined, granted: readonly Granted[]): Mail {
  if (props === undefined) {
    const rules = [...new Set(granted.filter((one) => one.resource === 'sender-identity').map((one) => one.rule))];
    throw new Error(
      `${rules.map((rule) => `\`${rule}\``).join(', ')} ${rules.length === 1 ? 'sends' : 'send'} mails; say who they are from: \`mail: { from: 'Acme <hello@acme.example>' }\``,
    );
  }
  if (!/^[^\s@<>]+@[^\s@<>]+$/.test(address(props.from)))
    throw new Error(`mail.from: \`${props.from}\` is no mailbox; write it as \`Acme <hello@acme.example>\``);
  const identity =
    props.identity ??
    (props.makeIdentity === true
      ? new EmailIdentity(scope, 'MailIdentity', { identity: Identity.domain(address(props.from).replace(/^.*@/, '')) })
      : undefined);
  const set =
    props.configurationSet ??
    new ConfigurationSet(scope, 'MailSet', {
      tlsPolicy: ConfigurationSetTlsPolicy.REQUIRE,
      reputationMetrics: true,
      suppressionReasons: SuppressionReasons.BOUNCES_AND_COMPLAINTS,
    });
  return new Mail(props, set, identity);
}
