/** A user pool whose triggers ask rules, with all they need. */
import { Annotations, CfnOutput, Duration, RemovalPolicy, Stack, Token, Validations } from 'aws-cdk-lib';
import type { Alarm, Dashboard } from 'aws-cdk-lib/aws-cloudwatch';
import { ReadWriteType, Trail } from 'aws-cdk-lib/aws-cloudtrail';
import {
  AccountRecovery,
  type CfnUserPool,
  FeaturePlan,
  type IUserPool,
  LambdaVersion,
  Mfa,
  UserPool,
  UserPoolEmail,
  UserPoolOperation,
} from 'aws-cdk-lib/aws-cognito';
import type { ITable } from 'aws-cdk-lib/aws-dynamodb';
import { type IEventBus, Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import {
  CfnPermission,
  EventSourceMapping,
  FilterCriteria,
  FilterRule,
  Function,
  FunctionUrl,
  FunctionUrlAuthType,
  type LayerVersion,
  StartingPosition,
} from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { BlockPublicAccess, Bucket, BucketEncryption, type IBucket, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { IConfigurationSet, IEmailIdentity } from 'aws-cdk-lib/aws-ses';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { dashboardOf, Watch } from './alarms';
import { Configuration } from './configuration';
import { allowLater, type Common, functionOf, type FunctionProps, shared } from './functions';
import { type Granted, grantsOf, grantsOfJob, isDelivering, type Job } from './grants';
import { layerOf } from './layer';
import type { CognitoTriggersProps } from './props';
import { type Services, servicesOf } from './services';
import { address, poolStatement, statements } from './statements';
import { asked, type Trigger, USUAL } from './triggers';

/** Rules whose state sign-outs and deletions change. */
const RELEASED = ['session-limit', 'unique-nickname', 'password-age'];
const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~';
/** Cognito waits 5 s, a cold start included. */
const LONGEST = Duration.seconds(5);

export class CognitoTriggers extends Construct {
  /** The pool, made or taken. */
  public readonly userPool: IUserPool;
  /** Whether the pool's triggers are set. Not so for one that is imported. */
  public readonly isAttached: boolean;
  /** The function of each trigger. With the layout `one` it is the same for all. */
  public readonly functions: ReadonlyMap<Trigger, Function>;
  /** Carries out what was not delivered at once; there if a rule delivers. */
  public readonly courier?: Function;
  /** Pages behind links in mails; there if a rule's mails have links. */
  public readonly links?: Function;
  /** Where links lead. */
  public readonly linksUrl?: string;
  /** Ends sessions. */
  public readonly sessionRelease?: Function;
  public readonly ledger?: ITable;
  public readonly bucket?: IBucket;
  public readonly bus?: IEventBus;
  public readonly mailIdentity?: IEmailIdentity;
  public readonly configurationSet?: IConfigurationSet;
  public readonly rootKey: ISecret;
  public readonly layer: LayerVersion;
  /** What could not be handed to the courier or to session-release. */
  public readonly deadLetters?: Queue;
  public readonly trail?: Trail;
  public readonly alarms: readonly Alarm[];
  public readonly dashboard?: Dashboard;
  /** The content of triggers.toml. */
  public readonly toml: string;

  private readonly layout: 'one' | 'each';
  private readonly configuration: Configuration;
  private readonly services: Services;
  private readonly common: Common;

  public constructor(scope: Construct, id: string, props: CognitoTriggersProps) {
    super(scope, id);
    const removalPolicy = props.removalPolicy ?? RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE;
    this.layout = props.layout ?? 'one';
    this.configuration = new Configuration(props);
    this.toml = this.configuration.toml();
    const chains = asked(this.configuration);
    const triggers = [...USUAL, ...(props.moreTriggers ?? [])].filter((trigger) => chains.has(trigger));
    this.check(props, triggers, new Set(chains.keys()));

    const hasCourier = isDelivering(this.configuration);
    const hasLinks = this.hasLinks();
    const hasRelease = props.sessionRelease ?? RELEASED.some((rule) => this.configuration.of(rule).length > 0);
    const jobs: Job[] = [
      ...(hasCourier ? (['courier'] as const) : []),
      ...(hasLinks ? (['links'] as const) : []),
      ...(hasRelease ? (['session-release'] as const) : []),
    ];
    const all = [...grantsOf(this.configuration), ...jobs.flatMap((job) => grantsOfJob(this.configuration, job))];
    this.services = servicesOf(this, props, all, removalPolicy);
    ({ ledger: this.ledger, bucket: this.bucket, bus: this.bus } = this.services);
    this.mailIdentity = this.services.mail?.identity;
    this.configurationSet = this.services.mail?.configurationSet;
    this.rootKey = props.rootKey ?? this.key(removalPolicy);

    const environment = this.environment(props);
    this.layer = layerOf(this, 'Configuration', {
      configuration: this.configuration,
      templates: props.templates,
      folders: props.folders,
      packager: props.packager,
      services: this.named(hasLinks),
    });
    this.common = {
      props: props.functionProps,
      programs: props.code,
      layer: this.layer,
      environment,
      logRetention: props.logRetention ?? RetentionDays.ONE_MONTH,
      removalPolicy:
        removalPolicy === RemovalPolicy.DESTROY ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    };
    if (hasCourier || hasRelease) this.deadLetters = this.queue();

    const watch = new Watch(this, props.alarmTopic);
    if (hasLinks) {
      this.links = this.job(
        'Links',
        'links',
        { description: 'Pages behind links in mails', memorySize: 128, timeout: Duration.seconds(15) },
        props.linksProps,
      );
      const url = this.url(this.links);
      this.linksUrl = props.linksUrl ?? url.url;
      watch.links(this.links);
    }
    const linked: Readonly<Record<string, string>> =
      this.linksUrl === undefined ? {} : { TRIGGERS_LINKS: this.linksUrl };

    this.functions = this.triggerFunctions(triggers, linked);
    if (hasCourier) {
      this.courier = this.job(
        'Courier',
        'courier',
        {
          description: 'Delivers mails, files and events that were not delivered at once',
          memorySize: 256,
          timeout: Duration.seconds(60),
          environment: linked,
        },
        props.courierProps,
      );
      this.sweep(this.courier);
      watch.courier(this.courier);
    }

    this.userPool = props.userPool ?? this.pool(props, removalPolicy);
    this.isAttached = this.attach(this.userPool, triggers, props);

    if (hasRelease) {
      this.sessionRelease = this.job(
        'SessionRelease',
        'session-release',
        {
          description: 'Ends sessions when users sign out or are deleted',
          memorySize: 128,
          timeout: Duration.seconds(30),
          environment: {
            TRIGGERS_POOLS: [this.userPool.userPoolId, ...Object.keys(this.configuration.pools)].join(','),
          },
        },
        props.sessionReleaseProps,
      );
      this.listen(this.sessionRelease);
      if (props.trail === true) this.trail = this.makeTrail(removalPolicy);
      watch.sessionRelease(this.sessionRelease);
    }
    this.allowOnPool();

    for (const [name, fn] of this.distinct()) watch.triggers(name, fn);
    if (this.deadLetters !== undefined) watch.deadLetters(this.deadLetters);
    this.alarms = watch.alarms;
    if (props.dashboard !== false)
      this.dashboard = dashboardOf(
        this,
        this.distinct().map(([, fn]) => fn),
        this.courier,
        this.deadLetters,
      );
    this.acknowledge();
  }

  /** The function of one trigger. */
  public functionOf(trigger: Trigger): Function | undefined {
    return this.functions.get(trigger);
  }

  /** Functions behind triggers, each once, by the name its resources begin with. */
  private distinct(): [string, Function][] {
    const [first] = this.functions.values();
    if (this.layout === 'one') return first === undefined ? [] : [['Pool', first]];
    return [...this.functions];
  }

  private check(props: CognitoTriggersProps, triggers: readonly Trigger[], chained: ReadonlySet<Trigger>): void {
    if (props.userPool !== undefined && props.userPoolProps !== undefined)
      throw new Error('userPoolProps is for a pool that is made, and userPool gives one; leave one of them out');
    if (props.userPool !== undefined && isOurs(props.userPool) && Stack.of(props.userPool) !== Stack.of(this)) {
      throw new Error(
        'the user pool is in another stack, which would need this one for its triggers while this one needs it for its permissions; put both into one stack',
      );
    }
    const timeout = props.functionProps?.timeout;
    if (timeout !== undefined && !timeout.isUnresolved() && timeout.toMilliseconds() >= LONGEST.toMilliseconds())
      throw new Error('functionProps.timeout: Cognito waits 5 s for an answer; give the functions less');
    for (const trigger of props.moreTriggers ?? []) {
      if (!chained.has(trigger)) throw new Error(`moreTriggers: no rule that is on is asked at ${trigger}`);
    }
    if (triggers.length === 0)
      throw new Error('rules: no rule that is on is asked at any trigger; set one that is not `off`');
    const writes = this.configuration.of('templated-message').some((table) => table['email'] !== false);
    const sendsItself =
      props.userPool === undefined && props.userPoolProps?.email === undefined && props.poolMail !== true;
    if (writes && sendsItself) {
      throw new Error(
        "rules.templatedMessage: Cognito refuses words for mails, and with them its users' calls, unless the pool sends through SES; set `poolMail: true` with `mail`, or `userPoolProps.email`, or `email: false` in the rule",
      );
    }
  }

  private hasLinks(): boolean {
    const alerts = this.configuration.of('sign-in-alert');
    return (
      this.configuration.of('win-back').length > 0 || alerts.some((table) => table['not-me-link-days'] !== undefined)
    );
  }

  private key(removalPolicy: RemovalPolicy): Secret {
    return new Secret(this, 'RootKey', {
      description: 'The root key of cognito-triggers, from which the keys of hashes, codes and links are derived',
      // 64 letters and digits are Base64 of 48 bytes. Some stand-ins of AWS know only characters that are left out.
      generateSecretString: {
        passwordLength: 64,
        excludePunctuation: true,
        excludeCharacters: PUNCTUATION,
        includeSpace: false,
      },
      removalPolicy,
    });
  }

  private environment(props: CognitoTriggersProps): Record<string, string> {
    const { ledger, mail, bucket, bucketFolder, bus } = this.services;
    return {
      TRIGGERS_CONFIG: props.configPath ?? '/opt/triggers/triggers.toml',
      // Resolved when the stack is deployed: the template names the secret only.
      TRIGGERS_KEY: this.rootKey.secretValue.unsafeUnwrap(),
      TRIGGERS_DIRECTORY: 'cognito',
      ...(ledger === undefined ? {} : { TRIGGERS_LEDGER: `dynamodb:${ledger.tableName}` }),
      ...(mail === undefined ? {} : { TRIGGERS_MAILER: mail.address }),
      ...(bucket === undefined
        ? {}
        : { TRIGGERS_BUCKET: `s3:${bucket.bucketName}${bucketFolder === '' ? '' : `/${bucketFolder.slice(0, -1)}`}` }),
      ...(bus === undefined ? {} : { TRIGGERS_PUBLISHER: `eventbridge:${bus.eventBusName}` }),
    };
  }

  /** The same for the packager, which looks at whether they are named, not at how. */
  private named(hasLinks: boolean): Record<string, string> {
    const { ledger, mail, bucket, bus } = this.services;
    const from = mail === undefined || Token.isUnresolved(mail.sender) ? 'hello@acme.example' : address(mail.sender);
    return {
      TRIGGERS_DIRECTORY: 'cognito',
      TRIGGERS_LEDGER: ledger === undefined ? '' : 'dynamodb:ledger',
      TRIGGERS_MAILER: mail === undefined ? '' : `ses:${from}`,
      TRIGGERS_BUCKET: bucket === undefined ? '' : 's3:files',
      TRIGGERS_PUBLISHER: bus === undefined ? '' : 'eventbridge:events',
      TRIGGERS_LINKS: hasLinks ? 'https://links.example/' : '',
    };
  }

  private statements(granted: readonly Granted[]): PolicyStatement[] {
    return statements(granted, this.services, Stack.of(this));
  }

  private triggerFunctions(
    triggers: readonly Trigger[],
    environment: Readonly<Record<string, string>>,
  ): Map<Trigger, Function> {
    const kind = { program: 'pool', memorySize: 256, timeout: Duration.seconds(4) } as const;
    if (this.layout === 'one') {
      const fn = functionOf(
        this,
        'Pool',
        {
          ...kind,
          description: 'The rules of a user pool',
          environment,
          statements: this.statements(grantsOf(this.configuration)),
        },
        this.common,
      );
      return new Map(triggers.map((trigger) => [trigger, fn]));
    }
    return new Map(
      triggers.map((trigger) => {
        const own = { ...environment, TRIGGERS_ONLY: trigger };
        const fn = functionOf(
          this,
          trigger,
          {
            ...kind,
            description: `The rules of ${trigger}`,
            environment: own,
            statements: this.statements(grantsOf(this.configuration, trigger)),
          },
          this.common,
        );
        return [trigger, fn];
      }),
    );
  }

  private job(
    id: string,
    job: Job,
    kind: {
      description: string;
      memorySize: number;
      timeout: Duration;
      environment?: Readonly<Record<string, string>>;
    },
    props?: FunctionProps,
  ): Function {
    const common = { ...this.common, props: shared(this.common.props) };
    return functionOf(
      this,
      id,
      { ...kind, program: job, props, statements: this.statements(grantsOfJob(this.configuration, job)) },
      common,
    );
  }

  /** Whoever has a link has only a browser: everybody may call the function, by its URL. */
  private url(links: Function): FunctionUrl {
    return links.addFunctionUrl({ authType: FunctionUrlAuthType.NONE });
  }

  /** The schedule is the truth, the stream makes it faster. */
  private sweep(courier: Function): void {
    // A sweep that failed is not worth repeating, nor keeping: the next one comes in a minute.
    courier.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: Duration.seconds(60) });
    new Rule(this, 'Sweep', {
      description: 'Has the courier look for what is due',
      schedule: Schedule.rate(Duration.minutes(1)),
      targets: [new LambdaFunction(courier, { retryAttempts: 0, maxEventAge: Duration.seconds(60) })],
    });
    const ledger = this.ledger;
    const stream = ledger?.tableStreamArn;
    const queue = this.deadLetters;
    if (ledger === undefined || stream === undefined || queue === undefined) return;
    // What Lambda does in the name of the role.
    allow(
      courier,
      new PolicyStatement({
        sid: 'LedgerStream',
        actions: ['dynamodb:DescribeStream', 'dynamodb:GetRecords', 'dynamodb:GetShardIterator'],
        resources: [stream],
      }),
    );
    allow(
      courier,
      new PolicyStatement({
        sid: 'ListStreams',
        actions: ['dynamodb:ListStreams'],
        resources: [`${ledger.tableArn}/stream/*`],
      }),
    );
    allow(
      courier,
      new PolicyStatement({ sid: 'DeadLetters', actions: ['sqs:SendMessage'], resources: [queue.queueArn] }),
    );
    const mapping = new EventSourceMapping(this, 'Deferred', {
      target: courier,
      eventSourceArn: stream,
      startingPosition: StartingPosition.LATEST,
      parallelizationFactor: 1,
      retryAttempts: 1,
      reportBatchItemFailures: true,
      filters: [
        FilterCriteria.filter({
          eventName: FilterRule.isEqual('INSERT'),
          dynamodb: { Keys: { sk: { S: FilterRule.beginsWith('D#') } } },
        }),
      ],
      onFailure: { bind: () => ({ destination: queue.queueArn }) },
    });
    const policy = courier.role?.node.tryFindChild('DefaultPolicy');
    if (policy !== undefined) mapping.node.addDependency(policy);
  }

  private queue(): Queue {
    const queue = new Queue(this, 'DeadLetters', {
      retentionPeriod: Duration.days(14),
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
    });
    Validations.of(queue).acknowledge({ id: 'AwsSolutions-SQS3', reason: 'This is the queue of dead letters.' });
    return queue;
  }

  private pool(props: CognitoTriggersProps, removalPolicy: RemovalPolicy): UserPool {
    const { mail } = this.services;
    if (props.poolMail === true && mail === undefined && props.mail === undefined)
      throw new Error("poolMail: say who the pool's messages are from: `mail: { from: 'Acme <hello@acme.example>' }`");
    const sender = props.mail?.from ?? '';
    const name = sender.includes('<') ? sender.replace(/\s*<.*$/, '').replace(/^"(.*)"$/, '$1') : undefined;
    const email =
      props.poolMail === true
        ? UserPoolEmail.withSES({
            fromEmail: address(sender),
            fromName: name === '' ? undefined : name,
            replyTo: props.mail?.replyTo?.[0],
            sesVerifiedDomain: address(sender).replace(/^.*@/, ''),
            configurationSetName: mail?.configurationSet.configurationSetName,
          })
        : undefined;
    return new UserPool(this, 'UserPool', {
      selfSignUpEnabled: true,
      signInAliases: { email: true },
      signInCaseSensitive: false,
      autoVerify: { email: true },
      keepOriginal: { email: true },
      standardAttributes: { email: { required: true, mutable: true } },
      passwordPolicy: {
        minLength: 12,
        requireLowercase: true,
        requireUppercase: true,
        requireDigits: true,
        requireSymbols: true,
        tempPasswordValidity: Duration.days(3),
      },
      mfa: Mfa.OPTIONAL,
      mfaSecondFactor: { otp: true, sms: false },
      accountRecovery: AccountRecovery.EMAIL_ONLY,
      featurePlan: FeaturePlan.ESSENTIALS,
      deletionProtection: removalPolicy !== RemovalPolicy.DESTROY,
      removalPolicy,
      email,
      ...props.userPoolProps,
    });
  }

  /** Sets the triggers, and lets this pool and no other call the functions. */
  private attach(pool: IUserPool, triggers: readonly Trigger[], props: CognitoTriggersProps): boolean {
    const plan = props.userPoolProps?.featurePlan;
    const version = props.tokenVersion ?? (plan === FeaturePlan.LITE ? LambdaVersion.V1_0 : LambdaVersion.V2_0);
    for (const [name, fn] of this.distinct()) {
      new CfnPermission(this, `${name}Permission`, {
        functionName: fn.functionArn,
        action: 'lambda:InvokeFunction',
        principal: 'cognito-idp.amazonaws.com',
        sourceArn: pool.userPoolArn,
        sourceAccount: Stack.of(this).account,
      });
    }
    if (isOurs(pool)) {
      for (const trigger of triggers) {
        const fn = this.functions.get(trigger);
        if (fn === undefined) continue;
        // By its ARN alone: the pool would add permissions of its own, one for each trigger and without the account.
        const bare = Function.fromFunctionAttributes(this, `${trigger}Trigger`, {
          functionArn: fn.functionArn,
          skipPermissions: true,
        });
        if (trigger === 'PreTokenGeneration')
          pool.addTrigger(UserPoolOperation.PRE_TOKEN_GENERATION_CONFIG, bare, version);
        // `addTrigger` knows no version of this one.
        else if (trigger === 'InboundFederation')
          (pool.node.defaultChild as CfnUserPool).addPropertyOverride('LambdaConfig.InboundFederation', {
            LambdaArn: fn.functionArn,
            LambdaVersion: 'V1_0',
          });
        else pool.addTrigger(UserPoolOperation.of(trigger.charAt(0).toLowerCase() + trigger.slice(1)), bare);
      }
      return true;
    }
    const config = Object.fromEntries(
      triggers.map((trigger) => {
        const arn = this.functions.get(trigger)?.functionArn;
        if (trigger === 'PreTokenGeneration')
          return ['PreTokenGenerationConfig', { LambdaVersion: version, LambdaArn: arn }];
        return trigger === 'InboundFederation' ? [trigger, { LambdaVersion: 'V1_0', LambdaArn: arn }] : [trigger, arn];
      }),
    );
    new CfnOutput(this, 'LambdaConfig', {
      value: Stack.of(this).toJsonString(config),
      description: 'The triggers of the user pool, which have to be attached by hand',
    });
    Annotations.of(this).addWarningV2(
      'cognito-triggers:not-attached',
      'CloudFormation cannot set the triggers of a user pool that it did not make: attach the functions with the output LambdaConfig, as docs/deploy-cdk.md says',
    );
    return false;
  }

  /** What functions may do to the pool, and to others with settings of their own. */
  private allowOnPool(): void {
    const others = Object.keys(this.configuration.pools).map((id) =>
      Stack.of(this).formatArn({
        service: 'cognito-idp',
        region: id.replace(/_.*$/, ''),
        resource: 'userpool',
        resourceName: id,
      }),
    );
    const pools = [this.userPool.userPoolArn, ...others];
    for (const [name, fn] of this.distinct()) {
      const granted =
        this.layout === 'each' ? grantsOf(this.configuration, name as Trigger) : grantsOf(this.configuration);
      allowLater(this, name, fn, poolStatement(granted, pools));
    }
    for (const [name, job, fn] of [
      ['Courier', 'courier', this.courier],
      ['Links', 'links', this.links],
      ['SessionRelease', 'session-release', this.sessionRelease],
    ] as const) {
      if (fn !== undefined) allowLater(this, name, fn, poolStatement(grantsOfJob(this.configuration, job), pools));
    }
  }

  /** CloudTrail's records, by EventBridge. */
  private listen(release: Function): void {
    const queue = this.deadLetters;
    if (queue === undefined) return;
    allow(
      release,
      new PolicyStatement({ sid: 'DeadLetters', actions: ['sqs:SendMessage'], resources: [queue.queueArn] }),
    );
    release.configureAsyncInvoke({ retryAttempts: 2, onFailure: { bind: () => ({ destination: queue.queueArn }) } });
    const rule = (id: string, description: string, eventName: string[]) =>
      new Rule(this, id, {
        description,
        eventPattern: {
          source: ['aws.cognito-idp'],
          detailType: ['AWS API Call via CloudTrail', 'AWS Service Event via CloudTrail'],
          detail: { eventSource: ['cognito-idp.amazonaws.com'], eventName },
        },
        targets: [
          new LambdaFunction(release, { deadLetterQueue: queue, retryAttempts: 185, maxEventAge: Duration.days(1) }),
        ],
      });
    rule('SignOuts', 'Users who signed out, were disabled or deleted', [
      'GlobalSignOut',
      'AdminUserGlobalSignOut',
      'AdminDisableUser',
      'DeleteUser',
      'AdminDeleteUser',
    ]);
    // Each such record is a write.
    if (this.configuration.of('password-age').length > 0)
      rule('Passwords', 'Passwords that were changed', [
        'ChangePassword',
        'ConfirmForgotPassword',
        'AdminSetUserPassword',
      ]);
  }

  private makeTrail(removalPolicy: RemovalPolicy): Trail {
    const bucket = new Bucket(this, 'TrailBucket', {
      encryption: BucketEncryption.S3_MANAGED,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      lifecycleRules: [{ id: 'old', expiration: Duration.days(90) }],
      removalPolicy,
    });
    Validations.of(bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason: 'This bucket holds a log itself, which CloudTrail writes and signs.',
    });
    return new Trail(this, 'Trail', {
      bucket,
      managementEvents: ReadWriteType.WRITE_ONLY,
      isMultiRegionTrail: false,
      includeGlobalServiceEvents: false,
      enableFileValidation: true,
    });
  }

  /** What AwsSolutions of cdk-nag finds in what is made here and what has to be so. Choices are left to the app. */
  private acknowledge(): void {
    if (this.rootKey instanceof Secret) {
      const reason =
        'Names, invitations and links depend on the root key: it is replaced by hand, with the old one kept beside it for a while (docs/security.md).';
      Validations.of(this.rootKey).acknowledge({ id: 'AwsSolutions-SMG4', reason });
    }
    const wildcard = (fn: Function | undefined, resource: string, reason: string) => {
      const policy = fn?.role?.node.tryFindChild('DefaultPolicy');
      if (policy !== undefined)
        Validations.of(policy).acknowledge({
          id: `AwsSolutions-IAM5[Resource::${shown(Stack.of(this).resolve(resource))}]`,
          reason,
        });
    };
    const functions = [...this.distinct().map(([, fn]) => fn), this.courier];
    for (const table of this.configuration.of('s3-provisioning')) {
      for (const statement of this.statements(
        [...grantsOf(this.configuration), ...grantsOfJob(this.configuration, 'courier')].filter(
          (one) => one.table === table || one.rule === 's3-provisioning',
        ),
      )) {
        for (const resource of statement.resources.filter((arn) => arn.endsWith('*'))) {
          for (const fn of functions)
            wildcard(
              fn,
              resource,
              'Every user has a folder of files: what keys begin with is all that is known of them.',
            );
        }
      }
    }
    if (this.ledger !== undefined)
      wildcard(
        this.courier,
        `${this.ledger.tableArn}/stream/*`,
        'dynamodb:ListStreams lists the streams of this table; a list has no ARN of its own.',
      );
  }
}

/** Whether it is made by an app and not imported, whichever copy of aws-cdk-lib it is of. */
function isOurs(pool: IUserPool): pool is UserPool {
  return 'addTrigger' in pool;
}

/** Where its other statements are: `addToRolePolicy` makes a policy for each under some feature flags. */
function allow(fn: Function, statement: PolicyStatement): void {
  fn.role?.addToPrincipalPolicy(statement);
}

/** A value as cdk-nag writes it: `<Logical.Arn>/users/*`. */
function shown(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const [[name, of]] = Object.entries(value) as [[string, unknown]];
  if (name === 'Ref') return `<${String(of)}>`;
  if (name === 'Fn::GetAtt') return `<${(of as string[]).join('.')}>`;
  if (name === 'Fn::Join') return (of as [string, unknown[]])[1].map(shown).join((of as [string])[0]);
  return JSON.stringify(value);
}
