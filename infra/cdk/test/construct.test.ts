/** What is made, and how it hangs together. */
import { App, Duration, RemovalPolicy, Stack, Token } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { FeaturePlan, LambdaVersion, UserPool, UserPoolEmail } from 'aws-cdk-lib/aws-cognito';
import { Table } from 'aws-cdk-lib/aws-dynamodb';
import { EventBus } from 'aws-cdk-lib/aws-events';
import { Architecture, Code } from 'aws-cdk-lib/aws-lambda';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { EmailIdentity } from 'aws-cdk-lib/aws-ses';
import { Topic } from 'aws-cdk-lib/aws-sns';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { CognitoTriggers, type CognitoTriggersProps, type Rules } from '../lib';
import { app, files, HERE, made, one, programs, resources } from './house';

const DOMAINS: Rules = { domainAllowList: { allow: ['example.com'] } };
const MAIL = { from: 'Acme <hello@acme.example>' };
const COUNTS: Rules = { signInCount: {} };

const refused = (props: CognitoTriggersProps | ((stack: Stack) => CognitoTriggersProps), expected: RegExp) =>
  assert.throws(() => made(props), { message: expected });

const variables = (template: Template, name: string) =>
  one(template, 'AWS::Lambda::Function', `Triggers${name}Function`).Properties['Environment'].Variables as Record<
    string,
    unknown
  >;

test('a rule that needs nothing gets a pool, a function and nothing else', () => {
  const { template, triggers } = made({ rules: DOMAINS, dashboard: false });
  template.resourceCountIs('AWS::Lambda::Function', 1);
  for (const type of [
    'AWS::DynamoDB::Table',
    'AWS::S3::Bucket',
    'AWS::Events::EventBus',
    'AWS::Events::Rule',
    'AWS::SES::ConfigurationSet',
    'AWS::SQS::Queue',
    'AWS::Lambda::EventSourceMapping',
    'AWS::Lambda::Url',
    'AWS::CloudTrail::Trail',
    'AWS::CloudWatch::Dashboard',
  ])
    template.resourceCountIs(type, 0);
  for (const made of [
    triggers.courier,
    triggers.links,
    triggers.sessionRelease,
    triggers.ledger,
    triggers.bucket,
    triggers.bus,
    triggers.deadLetters,
    triggers.configurationSet,
  ])
    assert.equal(made, undefined);
  template.hasResourceProperties('AWS::Lambda::Function', {
    Runtime: 'provided.al2023',
    Handler: 'bootstrap',
    Architectures: ['arm64'],
    Timeout: 4,
    MemorySize: 256,
  });
  assert.deepEqual([...triggers.functions.keys()], ['PreSignUp']);
});

test('the table is as the ledger needs it', () => {
  const { template } = made({ rules: COUNTS });
  template.hasResource('AWS::DynamoDB::Table', {
    DeletionPolicy: 'RetainExceptOnCreate',
    UpdateReplacePolicy: 'Retain',
    Properties: {
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      AttributeDefinitions: Match.arrayWith([
        { AttributeName: 'shard', AttributeType: 'N' },
        { AttributeName: 'due', AttributeType: 'N' },
      ]),
      GlobalSecondaryIndexes: [
        {
          IndexName: 'due',
          KeySchema: [
            { AttributeName: 'shard', KeyType: 'HASH' },
            { AttributeName: 'due', KeyType: 'RANGE' },
          ],
          Projection: { ProjectionType: 'KEYS_ONLY' },
        },
      ],
      TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
      StreamSpecification: { StreamViewType: 'NEW_IMAGE' },
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      SSESpecification: { SSEEnabled: true },
      DeletionProtectionEnabled: true,
    },
  });
});

test('only triggers at which a rule is asked are set, all to one function', () => {
  const { template } = made({ rules: { ...DOMAINS, maintenance: {}, sessionLimit: { max: 3 } } });
  const arn = { 'Fn::GetAtt': [Match.stringLikeRegexp('^TriggersPoolFunction'), 'Arn'] };
  template.hasResourceProperties('AWS::Cognito::UserPool', {
    LambdaConfig: {
      PreSignUp: arn,
      PostConfirmation: arn,
      PreAuthentication: arn,
      PostAuthentication: arn,
      PreTokenGenerationConfig: { LambdaArn: arn, LambdaVersion: 'V2_0' },
      CustomMessage: Match.absent(),
      UserMigration: Match.absent(),
      InboundFederation: Match.absent(),
    },
  });
});

test('triggers that change what a pool does are set if they are named', () => {
  const { template } = made({ rules: { maintenance: {} }, moreTriggers: ['UserMigration', 'InboundFederation'] });
  const arn = { 'Fn::GetAtt': [Match.stringLikeRegexp('^TriggersPoolFunction'), 'Arn'] };
  template.hasResourceProperties('AWS::Cognito::UserPool', {
    LambdaConfig: { UserMigration: arn, InboundFederation: { LambdaArn: arn, LambdaVersion: 'V1_0' } },
  });
  refused({ rules: DOMAINS, moreTriggers: ['UserMigration'] }, /no rule that is on is asked at UserMigration/);
});

test('what hangs on the function keeps its name when another trigger is set', () => {
  const ids = (rules: Rules) =>
    Object.keys(resources(made({ rules }).template, 'AWS::CloudWatch::Alarm')).filter((id) =>
      id.startsWith('TriggersPool'),
    );
  assert.deepEqual(ids(DOMAINS), ids({ ...DOMAINS, maintenance: {} }));
});

test('each trigger may have a function of its own', () => {
  const { template, triggers } = made({ rules: { ...DOMAINS, ...COUNTS }, layout: 'each' });
  assert.equal(new Set(triggers.functions.values()).size, 3);
  for (const trigger of ['PreSignUp', 'PostConfirmation', 'PostAuthentication']) {
    assert.equal(variables(template, trigger)['TRIGGERS_ONLY'], trigger);
    template.hasResourceProperties('AWS::Cognito::UserPool', {
      LambdaConfig: { [trigger]: { 'Fn::GetAtt': [Match.stringLikeRegexp(`^Triggers${trigger}Function`), 'Arn'] } },
    });
  }
  template.resourceCountIs('AWS::Lambda::Permission', 3);
});

test('Cognito may call the functions for this pool of this account alone', () => {
  const { template } = made({ rules: { domainAllowList: { allow: ['example.com'], atSignIn: true } } });
  template.resourceCountIs('AWS::Lambda::Permission', 1);
  template.hasResourceProperties('AWS::Lambda::Permission', {
    Action: 'lambda:InvokeFunction',
    Principal: 'cognito-idp.amazonaws.com',
    SourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^TriggersUserPool'), 'Arn'] },
    SourceAccount: HERE.account,
  });
});

test('functions do not wait for the pool, so that there is no circle', () => {
  // `Template.fromStack` refuses circles.
  const { template } = made({
    rules: { uniqueNickname: {}, sessionLimit: { max: 3, policy: 'sign-out-others' }, winBack: { afterDays: 30 } },
    mail: MAIL,
    layout: 'each',
  });
  for (const [id, fn] of Object.entries(resources(template, 'AWS::Lambda::Function'))) {
    if (id.startsWith('TriggersSessionRelease')) continue;
    assert(!JSON.stringify(fn).includes('TriggersUserPool'), id);
  }
});

test('the pool that is made is a safe one, and every property of it can be given', () => {
  const { template } = made({ rules: DOMAINS });
  template.hasResourceProperties('AWS::Cognito::UserPool', {
    UsernameAttributes: ['email'],
    UsernameConfiguration: { CaseSensitive: false },
    AutoVerifiedAttributes: ['email'],
    MfaConfiguration: 'OPTIONAL',
    EnabledMfas: ['SOFTWARE_TOKEN_MFA'],
    DeletionProtection: 'ACTIVE',
    UserPoolTier: 'ESSENTIALS',
    AccountRecoverySetting: { RecoveryMechanisms: [{ Name: 'verified_email', Priority: 1 }] },
    AdminCreateUserConfig: { AllowAdminCreateUserOnly: false },
    Policies: { PasswordPolicy: Match.objectLike({ MinimumLength: 12 }) },
  });
  const lite = made({
    rules: { sessionLimit: { max: 1 } },
    userPoolProps: { featurePlan: FeaturePlan.LITE, userPoolName: 'acme' },
  });
  lite.template.hasResourceProperties('AWS::Cognito::UserPool', {
    UserPoolName: 'acme',
    UserPoolTier: 'LITE',
    LambdaConfig: { PreTokenGenerationConfig: { LambdaVersion: 'V1_0' } },
  });
  const third = made({ rules: { sessionLimit: { max: 1 } }, tokenVersion: LambdaVersion.V3_0 });
  third.template.hasResourceProperties('AWS::Cognito::UserPool', {
    LambdaConfig: { PreTokenGenerationConfig: { LambdaVersion: 'V3_0' } },
  });
});

test('a pool of the same stack is given its triggers', () => {
  const { template, triggers } = made((stack) => ({ rules: DOMAINS, userPool: new UserPool(stack, 'Own') }));
  assert.equal(triggers.isAttached, true);
  template.resourceCountIs('AWS::Cognito::UserPool', 1);
  template.hasResourceProperties('AWS::Cognito::UserPool', { LambdaConfig: { PreSignUp: Match.anyValue() } });
});

test('a pool that is imported is not, and what to attach is an output', () => {
  const { template, triggers } = made((stack) => ({
    rules: { sessionLimit: { max: 3 } },
    userPool: UserPool.fromUserPoolId(stack, 'Own', 'eu-central-1_Example01'),
  }));
  assert.equal(triggers.isAttached, false);
  template.resourceCountIs('AWS::Cognito::UserPool', 0);
  const [output] = Object.values(template.findOutputs('*')) as { Value: { 'Fn::Join': [string, unknown[]] } }[];
  const value = (output?.Value['Fn::Join'][1] ?? []).map((part) => (typeof part === 'string' ? part : 'ARN')).join('');
  assert.deepEqual(JSON.parse(value), {
    PostConfirmation: 'ARN',
    PostAuthentication: 'ARN',
    PreTokenGenerationConfig: { LambdaVersion: 'V2_0', LambdaArn: 'ARN' },
  });
  template.hasResourceProperties('AWS::Lambda::Permission', {
    Principal: 'cognito-idp.amazonaws.com',
    SourceArn: { 'Fn::Join': ['', Match.arrayWith([Match.stringLikeRegexp('userpool/eu-central-1_Example01$')])] },
    SourceAccount: HERE.account,
  });
  const [warning] = triggers.node.metadata.filter(({ type }) => type === 'aws:cdk:warning');
  assert.match(String(warning?.data), /attach the functions/);
});

test('a pool of another stack would make a circle', () => {
  const other = new Stack(app(), 'Pools', { env: HERE });
  refused({ rules: DOMAINS, userPool: new UserPool(other, 'Own') }, /in another stack/);
});

test('services that are given are taken', () => {
  const { template, triggers } = made((stack) => ({
    rules: { welcomeEmail: {}, s3Provisioning: { copyFrom: 'new-user/' }, userEvents: {} },
    ledger: Table.fromTableAttributes(stack, 'Table', {
      tableName: 'acme',
      tableStreamArn: 'arn:aws:dynamodb:eu-central-1:111122223333:table/acme/stream/1',
    }),
    bucket: Bucket.fromBucketName(stack, 'Bucket', 'acme-files'),
    bucketFolder: '/pool-a/',
    bus: EventBus.fromEventBusName(stack, 'Bus', 'acme'),
    rootKey: Secret.fromSecretNameV2(stack, 'Key', 'acme'),
    mail: {
      ...MAIL,
      replyTo: ['help+50%&more#1@acme.example'],
      identity: EmailIdentity.fromEmailIdentityName(stack, 'Identity', 'acme.example'),
    },
  }));
  for (const type of [
    'AWS::DynamoDB::Table',
    'AWS::S3::Bucket',
    'AWS::Events::EventBus',
    'AWS::SecretsManager::Secret',
    'AWS::SES::EmailIdentity',
  ])
    template.resourceCountIs(type, 0);
  const named = variables(template, 'Pool');
  assert.equal(named['TRIGGERS_LEDGER'], 'dynamodb:acme');
  assert.equal(named['TRIGGERS_BUCKET'], 's3:acme-files/pool-a');
  assert.equal(named['TRIGGERS_PUBLISHER'], 'eventbridge:acme');
  assert.match(
    JSON.stringify(named['TRIGGERS_MAILER']),
    /"ses:Acme <hello@acme\.example>\?configuration-set=".*"&reply-to=help\+50%25%26more%231@acme\.example"/,
  );
  assert.match(JSON.stringify(named['TRIGGERS_KEY']), /resolve:secretsmanager:/);
  template.hasResourceProperties('AWS::IAM::Policy', {
    PolicyDocument: {
      Statement: Match.arrayWith([
        Match.objectLike({
          Sid: 'SenderIdentity',
          Resource: Match.objectLike({
            'Fn::Join': ['', Match.arrayWith([Match.stringLikeRegexp('identity/acme\\.example$')])],
          }),
        }),
      ]),
    },
  });
  template.hasResourceProperties('AWS::IAM::Policy', {
    PolicyDocument: {
      Statement: Match.arrayWith([
        Match.objectLike({
          Sid: 'UserObjects',
          Resource: { 'Fn::Join': ['', Match.arrayWith([Match.stringLikeRegexp('acme-files/pool-a/users/\\*$')])] },
        }),
      ]),
    },
  });
  assert.equal(triggers.bucket?.bucketName, 'acme-files');
});

test('what was made is exposed', () => {
  const { triggers } = made({
    rules: {
      welcomeEmail: {},
      s3Provisioning: { copyFrom: 'a/' },
      userEvents: {},
      sessionLimit: { max: 3 },
      winBack: { afterDays: 30 },
    },
    mail: { ...MAIL, makeIdentity: true },
    trail: true,
  });
  for (const field of [
    'userPool',
    'functions',
    'courier',
    'links',
    'linksUrl',
    'sessionRelease',
    'ledger',
    'bucket',
    'bus',
    'mailIdentity',
    'configurationSet',
    'rootKey',
    'layer',
    'deadLetters',
    'trail',
    'dashboard',
    'toml',
  ] as const)
    assert(triggers[field] !== undefined, field);
  assert(triggers.alarms.length >= 12);
  assert(triggers.functionOf('PostConfirmation') !== undefined && triggers.functionOf('CustomMessage') === undefined);
});

test('who sends mails has to be said where a rule sends some', () => {
  refused({ rules: { welcomeEmail: {} } }, /`welcome-email` sends mails; say who they are from/);
  refused({ rules: { welcomeEmail: {} }, mail: { from: 'Acme' } }, /`Acme` is no mailbox/);
});

test('words for mails need a pool that sends through SES', () => {
  const rules: Rules = { templatedMessage: {} };
  refused({ rules }, /unless the pool sends through SES/);
  made({ rules: { templatedMessage: { email: false } } });
  made({
    rules,
    userPoolProps: { email: UserPoolEmail.withSES({ fromEmail: 'hello@acme.example', sesRegion: 'eu-central-1' }) },
  });
  const { template } = made({ rules, mail: MAIL, poolMail: true });
  template.hasResourceProperties('AWS::Cognito::UserPool', {
    EmailConfiguration: Match.objectLike({ EmailSendingAccount: 'DEVELOPER', From: 'Acme <hello@acme.example>' }),
  });
});

test('the courier sweeps every minute, and hears of what is new by the stream', () => {
  const { template } = made({ rules: { welcomeEmail: {} }, mail: MAIL });
  template.hasResourceProperties('AWS::Events::Rule', {
    ScheduleExpression: 'rate(1 minute)',
    Targets: [Match.objectLike({ RetryPolicy: { MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0 } })],
  });
  template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
    MaximumRetryAttempts: 0,
    MaximumEventAgeInSeconds: 60,
  });
  template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
    StartingPosition: 'LATEST',
    ParallelizationFactor: 1,
    MaximumRetryAttempts: 1,
    FunctionResponseTypes: ['ReportBatchItemFailures'],
    FilterCriteria: {
      Filters: [{ Pattern: '{"eventName":["INSERT"],"dynamodb":{"Keys":{"sk":{"S":[{"prefix":"D#"}]}}}}' }],
    },
    DestinationConfig: { OnFailure: { Destination: Match.anyValue() } },
  });
  template.hasResourceProperties('AWS::Lambda::Function', {
    Timeout: 60,
    Environment: { Variables: Match.objectLike({ TRIGGERS_MAILER: Match.anyValue() }) },
  });
});

test('links are there where mails have links, and everybody can open them', () => {
  const { template } = made({ rules: { signInAlert: { notMeLinkDays: 7 } }, mail: MAIL });
  template.hasResourceProperties('AWS::Lambda::Url', { AuthType: 'NONE' });
  template.hasResourceProperties('AWS::Lambda::Permission', {
    Action: 'lambda:InvokeFunctionUrl',
    Principal: '*',
    FunctionUrlAuthType: 'NONE',
  });
  template.hasResourceProperties('AWS::Lambda::Permission', {
    Action: 'lambda:InvokeFunction',
    Principal: '*',
    InvokedViaFunctionUrl: true,
  });
  for (const name of ['Pool', 'Courier'])
    assert.deepEqual(Object.keys(variables(template, name)['TRIGGERS_LINKS'] as object), ['Fn::GetAtt']);
  made({ rules: { signInAlert: {} }, mail: MAIL }).template.resourceCountIs('AWS::Lambda::Url', 0);
  const own = made({ rules: { winBack: { afterDays: 30 } }, mail: MAIL, linksUrl: 'https://links.acme.example/' });
  assert.equal(variables(own.template, 'Courier')['TRIGGERS_LINKS'], 'https://links.acme.example/');
});

test('sign-outs are heard of, and passwords where their age matters', () => {
  const names = (template: Template) =>
    Object.values(resources(template, 'AWS::Events::Rule')).flatMap(
      (rule) => (rule.Properties['EventPattern']?.detail.eventName as string[] | undefined) ?? [],
    );
  const { template } = made({ rules: { sessionLimit: { max: 3 } } });
  assert.deepEqual(names(template), [
    'GlobalSignOut',
    'AdminUserGlobalSignOut',
    'AdminDisableUser',
    'DeleteUser',
    'AdminDeleteUser',
  ]);
  assert.deepEqual(Object.keys(variables(template, 'SessionRelease')['TRIGGERS_POOLS'] as object), ['Ref']);
  template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
    MaximumRetryAttempts: 2,
    DestinationConfig: { OnFailure: Match.anyValue() },
  });
  assert(names(made({ rules: { passwordAge: { maxDays: 90, warnDays: 0 } } }).template).includes('ChangePassword'));
  assert.deepEqual(names(made({ rules: { sessionLimit: { max: 3 } }, sessionRelease: false }).template), []);
  made({ rules: { sessionLimit: { max: 3 } }, trail: true }).template.hasResourceProperties('AWS::CloudTrail::Trail', {
    EventSelectors: [{ IncludeManagementEvents: true, ReadWriteType: 'WriteOnly' }],
    EnableLogFileValidation: true,
  });
});

test('functions can be given more, but no more time than Cognito waits', () => {
  const props = {
    memorySize: 512,
    architecture: Architecture.X86_64,
    environment: { SIGN_UP_CODE: 'sesame' },
    timeout: Duration.seconds(3),
    reservedConcurrentExecutions: 50,
  };
  const { template } = made({
    rules: { ...DOMAINS, welcomeEmail: {} },
    mail: MAIL,
    functionProps: props,
    courierProps: { reservedConcurrentExecutions: 2 },
  });
  template.hasResourceProperties('AWS::Lambda::Function', {
    Timeout: 3,
    MemorySize: 512,
    ReservedConcurrentExecutions: 50,
    Architectures: ['x86_64'],
    Environment: {
      Variables: Match.objectLike({ SIGN_UP_CODE: 'sesame', TRIGGERS_CONFIG: '/opt/triggers/triggers.toml' }),
    },
  });
  template.hasResourceProperties('AWS::Lambda::Function', {
    Timeout: 60,
    MemorySize: 256,
    ReservedConcurrentExecutions: 2,
    Architectures: ['x86_64'],
  });
  refused({ rules: DOMAINS, functionProps: { timeout: Duration.seconds(5) } }, /Cognito waits 5 s/);
});

test('logs are kept for a month, and no longer than is said', () => {
  made({ rules: DOMAINS }).template.hasResourceProperties('AWS::Logs::LogGroup', { RetentionInDays: 30 });
  const { template } = made({ rules: DOMAINS });
  template.hasResourceProperties('AWS::Lambda::Function', {
    LoggingConfig: { LogGroup: { Ref: Match.stringLikeRegexp('^TriggersPoolLog') } },
  });
});

test('alarms tell a topic', () => {
  const { template } = made((stack) => ({
    rules: { welcomeEmail: {} },
    mail: MAIL,
    alarmTopic: new Topic(stack, 'Topic'),
  }));
  const alarms = Object.values(resources(template, 'AWS::CloudWatch::Alarm'));
  assert(alarms.length >= 9);
  for (const { Properties } of alarms)
    assert.deepEqual([Properties['AlarmActions'].length, Properties['OKActions'].length], [1, 1]);
  template.hasResourceProperties('AWS::CloudWatch::Alarm', {
    Namespace: 'CognitoTriggers',
    MetricName: 'Parked',
    Threshold: 0,
    TreatMissingData: 'notBreaching',
  });
  template.hasResourceProperties('AWS::CloudWatch::Alarm', {
    Namespace: 'CognitoTriggers',
    MetricName: 'OldestDueSeconds',
    Threshold: 900,
    EvaluationPeriods: 15,
    TreatMissingData: 'breaching',
  });
});

test('what may be deleted is not protected', () => {
  const { template } = made({
    rules: { ...COUNTS, s3Provisioning: { copyFrom: 'a/' } },
    removalPolicy: RemovalPolicy.DESTROY,
  });
  template.hasResource('AWS::DynamoDB::Table', {
    DeletionPolicy: 'Delete',
    Properties: { DeletionProtectionEnabled: false },
  });
  template.hasResource('AWS::Cognito::UserPool', { DeletionPolicy: 'Delete' });
  template.hasResource('AWS::SecretsManager::Secret', { DeletionPolicy: 'Delete' });
});

test('the root key stands in no template', () => {
  const { template } = made({ rules: COUNTS });
  template.hasResourceProperties('AWS::SecretsManager::Secret', {
    GenerateSecretString: Match.objectLike({ PasswordLength: 64, ExcludePunctuation: true, IncludeSpace: false }),
  });
  assert.match(JSON.stringify(variables(template, 'Pool')['TRIGGERS_KEY']), /\{\{resolve:secretsmanager:/);
});

test('what is wrong with the props is said', () => {
  refused(
    (stack) => ({ rules: DOMAINS, userPool: new UserPool(stack, 'Own'), userPoolProps: {} }),
    /leave one of them out/,
  );
  refused({ rules: { domainAllowList: { off: true } } }, /no rule that is on/);
  refused({ rules: DOMAINS, templates: '/nowhere' }, /there is no folder \/nowhere for `templates`/);
  refused({ rules: DOMAINS, folders: { '../out': programs } }, /is no place beside triggers\.toml/);
});

test('a program that is not there is told how to build', () => {
  const nowhere = files({ 'other/file': '' });
  refused(
    { rules: DOMAINS, code: nowhere },
    /there is no program .*pool\/bootstrap; build it in the clone of cognito-triggers: cargo lambda build --release --arm64 --package pool/,
  );
  refused(
    { rules: DOMAINS, code: nowhere, functionProps: { architecture: Architecture.X86_64 } },
    /--x86-64 --package pool/,
  );
});

test('a program for another processor is not deployed', () => {
  const elf = (machine: number) =>
    Buffer.concat([Buffer.from('\x7fELF\x02\x01\x01'.padEnd(18, '\0'), 'latin1'), Buffer.from([machine, 0])]).toString(
      'latin1',
    );
  const here = files({ 'pool/bootstrap': elf(0x3e) });
  refused({ rules: DOMAINS, code: here }, /is a program for x86_64, and the function is to be arm64/);
  made({ rules: DOMAINS, code: here, functionProps: { architecture: Architecture.X86_64 } });
});

test('a program may be zipped, or come from elsewhere', () => {
  made({ rules: DOMAINS, code: files({ 'pool/bootstrap.zip': 'PK' }) });
  const asked: string[] = [];
  made({
    rules: { welcomeEmail: {} },
    mail: MAIL,
    code: (program) => (asked.push(program), Code.fromAsset(join(programs, program))),
  });
  assert.deepEqual(asked.sort(), ['courier', 'pool']);
});

test('two of them fit into one stack', () => {
  const stack = new Stack(new App(), 'Acme', { env: HERE });
  for (const id of ['One', 'Other'])
    new CognitoTriggers(stack, id, { rules: { welcomeEmail: {} }, mail: MAIL, code: programs });
  Template.fromStack(stack).resourceCountIs('AWS::Cognito::UserPool', 2);
});

test('it fits into a stack that does not know where it will be', () => {
  const stack = new Stack(new App(), 'Acme');
  new CognitoTriggers(stack, 'Triggers', {
    rules: { uniqueNickname: {}, winBack: { afterDays: 30 } },
    pools: { 'us-east-1_Globex': { uniqueNickname: { off: true } } },
    mail: MAIL,
    code: programs,
  });
  const template = Template.fromStack(stack);
  template.hasResourceProperties('AWS::Lambda::Permission', { SourceAccount: { Ref: 'AWS::AccountId' } });
  assert(Token.isUnresolved(stack.account));
});
