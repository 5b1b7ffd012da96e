/** What tests have in common: programs that are none, stacks, and their resources. */
import { App, type AppProps, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CognitoTriggers, type CognitoTriggersProps } from '../lib';

const PROGRAMS = ['pool', 'courier', 'links', 'session-release'];

/** Where this run of tests keeps its folders. */
const all = mkdtempSync(join(tmpdir(), 'cognito-triggers-test-'));
process.on('exit', () => rmSync(all, { recursive: true, force: true }));

/** A folder that goes when the tests are done. */
export const folder = () => mkdtempSync(join(all, 'folder-'));

/** Writes files into a new folder. */
export function files(content: Readonly<Record<string, string>>): string {
  const here = folder();
  for (const [name, text] of Object.entries(content)) {
    mkdirSync(join(here, name, '..'), { recursive: true });
    writeFileSync(join(here, name), text);
  }
  return here;
}

/** Where programs are, for those who do not run them. */
export const programs = files(Object.fromEntries(PROGRAMS.map((name) => [`${name}/bootstrap`, '#!/bin/sh\n'])));

export const HERE = { account: '111122223333', region: 'eu-central-1' };

export function app(props?: AppProps): App {
  return new App({ outdir: folder(), ...props });
}

export interface Made {
  readonly app: App;
  readonly stack: Stack;
  readonly triggers: CognitoTriggers;
  readonly template: Template;
}

/** A stack with nothing else in it. */
export function made(props: CognitoTriggersProps | ((stack: Stack) => CognitoTriggersProps), of?: AppProps): Made {
  const around = app(of);
  const stack = new Stack(around, 'Acme', { env: HERE });
  const given = typeof props === 'function' ? props(stack) : props;
  const triggers = new CognitoTriggers(stack, 'Triggers', { code: programs, ...given });
  return { app: around, stack, triggers, template: Template.fromStack(stack) };
}

export interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, any>;
  readonly DependsOn?: string | string[];
  readonly DeletionPolicy?: string;
}

/** The resources of a type, by logical ids. */
export function resources(template: Template, type: string): Record<string, Resource> {
  return template.findResources(type) as Record<string, Resource>;
}

/** The only one of its type whose logical id begins so. */
export function one(template: Template, type: string, begins = ''): Resource {
  const found = Object.entries(resources(template, type)).filter(([id]) => id.startsWith(begins));
  if (found.length !== 1)
    throw new Error(
      `${found.length} resources of type ${type} begin with ${begins}: ${found.map(([id]) => id).join(', ')}`,
    );
  return (found[0] as [string, Resource])[1];
}

export interface Statement {
  readonly Sid: string;
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

/** What the role of a function may do, by the names of statements; and the role's managed policies. */
export function allowed(template: Template, name: string): Record<string, Statement> {
  const role = Object.entries(resources(template, 'AWS::IAM::Role')).find(([id]) =>
    id.startsWith(`Triggers${name}Role`),
  );
  if (role === undefined) throw new Error(`there is no role ${name}`);
  if (role[1].Properties['Policies'] !== undefined || role[1].Properties['ManagedPolicyArns'] !== undefined)
    throw new Error(`${name}'s role has more policies`);
  const policies = Object.values(resources(template, 'AWS::IAM::Policy')).filter((policy) =>
    policy.Properties['Roles'].some((one: { Ref: string }) => one.Ref === role[0]),
  );
  const statements = policies.flatMap((policy) => policy.Properties['PolicyDocument'].Statement as Statement[]);
  return Object.fromEntries(statements.map((statement) => [statement.Sid, statement]));
}

/** Names of statements with their actions, without what Lambda does in the name of a role. */
export function actions(template: Template, name: string): Record<string, string[]> {
  const own = ['OwnLog', 'LedgerStream', 'ListStreams', 'DeadLetters'];
  const statements = Object.values(allowed(template, name)).filter(({ Sid }) => !own.includes(Sid));
  return Object.fromEntries(statements.map(({ Sid, Action }) => [Sid, [Action].flat().sort()]));
}
