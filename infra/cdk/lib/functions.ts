/** Functions, each with a role and a log of its own: the role may write that log and do what is declared, nothing else. */
import { Duration, type RemovalPolicy } from 'aws-cdk-lib';
import { ManagedPolicy, Policy, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Function, type FunctionOptions, type ILayerVersion, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { codeOf, type Program, type Programs } from './program';

/** What may be said of functions. Roles, logs and layers are the construct's. */
export type FunctionProps = Omit<
  FunctionOptions,
  | 'role'
  | 'initialPolicy'
  | 'layers'
  | 'logGroup'
  | 'logRetention'
  | 'logRemovalPolicy'
  | 'logRetentionRole'
  | 'logRetentionRetryOptions'
  | 'functionName'
  | 'snapStart'
  | 'events'
>;

/** What all functions have in common. */
export interface Common {
  readonly props?: FunctionProps;
  readonly programs?: Programs;
  readonly layer: ILayerVersion;
  readonly environment: Readonly<Record<string, string>>;
  readonly logRetention: RetentionDays;
  readonly removalPolicy: RemovalPolicy;
}

export interface Kind {
  readonly program: Program;
  readonly description: string;
  readonly memorySize: number;
  readonly timeout: Duration;
  readonly environment?: Readonly<Record<string, string>>;
  readonly statements: readonly PolicyStatement[];
  /** Goes before what all functions have in common. */
  readonly props?: FunctionProps;
}

export function functionOf(scope: Construct, id: string, kind: Kind, common: Common): Function {
  const props: FunctionProps = { ...common.props, ...kind.props };
  const environment = {
    ...common.environment,
    ...kind.environment,
    ...common.props?.environment,
    ...kind.props?.environment,
  };
  const architecture = props.architecture ?? Architecture.ARM_64;
  const logGroup = new LogGroup(scope, `${id}Log`, {
    retention: common.logRetention,
    removalPolicy: common.removalPolicy,
  });
  const role = new Role(scope, `${id}Role`, { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
  role.addToPolicy(
    new PolicyStatement({
      sid: 'OwnLog',
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [logGroup.logGroupArn],
    }),
  );
  for (const statement of kind.statements) role.addToPolicy(statement);
  if (props.vpc !== undefined)
    role.addManagedPolicy(ManagedPolicy.fromAwsManagedPolicyName('service-role/AWSLambdaVPCAccessExecutionRole'));
  return new Function(scope, `${id}Function`, {
    description: kind.description,
    memorySize: kind.memorySize,
    timeout: kind.timeout,
    ...props,
    environment,
    architecture,
    runtime: Runtime.PROVIDED_AL2023,
    handler: 'bootstrap',
    code: codeOf(kind.program, common.programs, architecture),
    role,
    logGroup,
    layers: [common.layer],
  });
}

/** Adds what needs the pool, which needs the function: a policy that the function does not wait for. */
export function allowLater(scope: Construct, id: string, fn: Function, statement: PolicyStatement | undefined): void {
  if (statement === undefined || fn.role === undefined) return;
  new Policy(scope, `${id}PoolPolicy`, { roles: [fn.role], statements: [statement] });
}

/** Without what is about how much work there is: jobs have other work than triggers. */
export function shared(props: FunctionProps | undefined): FunctionProps {
  const {
    memorySize: _memory,
    timeout: _timeout,
    reservedConcurrentExecutions: _reserved,
    description: _description,
    ...rest
  } = props ?? {};
  return rest;
}
