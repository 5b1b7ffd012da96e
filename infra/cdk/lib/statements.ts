/**
 * Statements of IAM from grants: one for each kind of resource, on the resources of this construct alone. The same that
 * `cargo local policy` prints for the same configuration.
 */
import { Arn, type Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Resource } from './facts';
import type { Granted } from './grants';
import type { Services } from './services';

/** Users' files, unless `prefix` says otherwise. */
const USUAL_PREFIX = 'users/{{ sub }}/';

/** What is allowed on anything but the pool, which functions are made before. */
export function statements(granted: readonly Granted[], services: Services, stack: Stack): PolicyStatement[] {
  const kinds: readonly Resource[] = [
    'ledger-table',
    'ledger-index',
    'sender-identity',
    'configuration-set',
    'user-objects',
    'template-objects',
    'bucket',
    'event-bus',
  ];
  return kinds.flatMap((kind) => {
    const of = granted.filter((one) => one.resource === kind);
    const laid = of.length === 0 ? undefined : lay(kind, of, services, stack);
    return laid === undefined ? [] : [statement(kind, of, laid.resources, laid.conditions)];
  });
}

/** What is allowed on the pool. */
export function poolStatement(granted: readonly Granted[], pools: readonly string[]): PolicyStatement | undefined {
  const of = granted.filter((one) => one.resource === 'user-pool');
  return of.length === 0 ? undefined : statement('user-pool', of, pools);
}

interface Laid {
  readonly resources: string[];
  readonly conditions?: Record<string, Record<string, unknown>>;
}

function statement(
  kind: Resource,
  of: readonly Granted[],
  resources: readonly string[],
  conditions?: Laid['conditions'],
): PolicyStatement {
  const sid = kind.replace(/(^|-)(\w)/g, (_, __, letter: string) => letter.toUpperCase());
  const actions = [...new Set(of.flatMap((one) => one.actions))].sort();
  return new PolicyStatement({ sid, actions, resources: [...new Set(resources)], conditions });
}

function lay(kind: Resource, of: readonly Granted[], services: Services, stack: Stack): Laid | undefined {
  const { ledger, mail, bucket, bucketFolder, bus } = services;
  switch (kind) {
    case 'ledger-table':
      return { resources: [needed(ledger).tableArn] };
    case 'ledger-index':
      return { resources: [`${needed(ledger).tableArn}/index/due`] };
    case 'sender-identity': {
      const senders = sendersOf(of, needed(mail).sender);
      return { resources: needed(mail).identities(senders, stack), conditions: from(senders) };
    }
    case 'configuration-set': {
      const set = needed(mail).configurationSet;
      if (set === undefined) return undefined;
      const resource = Arn.format(
        { service: 'ses', resource: 'configuration-set', resourceName: set.configurationSetName },
        stack,
      );
      return { resources: [resource], conditions: from(sendersOf(of, needed(mail).sender)) };
    }
    case 'user-objects': {
      const prefixes = of.map(({ table }) => common(text(table['prefix']) ?? USUAL_PREFIX));
      return {
        resources: prefixes.map((prefix) =>
          needed(bucket).arnForObjects(`${literal(bucketFolder)}${literal(prefix)}*`),
        ),
      };
    }
    case 'template-objects': {
      const prefixes = of.map(({ table }) => text(table['copy-from']) ?? '');
      return {
        resources: prefixes.map((prefix) =>
          needed(bucket).arnForObjects(`${literal(bucketFolder)}${literal(prefix)}*`),
        ),
      };
    }
    case 'bucket': {
      const listed = [...new Set(of.map(({ table }) => `${bucketFolder}${text(table['copy-from']) ?? ''}`))].sort();
      return { resources: [needed(bucket).bucketArn], conditions: { StringEquals: { 's3:prefix': listed } } };
    }
    case 'event-bus':
      return { resources: [needed(bus).eventBusArn] };
    case 'user-pool':
      throw new Error('the pool has a statement of its own');
  }
}

/** Who mails are from: a rule's own `from`, else the usual sender. */
function sendersOf(of: readonly Granted[], usual: string): string[] {
  return [...new Set(of.map(({ table }) => address(text(table['from']) ?? usual)))].sort();
}

const from = (senders: readonly string[]) => ({ StringEquals: { 'ses:FromAddress': [...senders] } });

/** Of `Acme <hello@acme.example>` the address. */
export function address(mailbox: string): string {
  return (/<([^<>]*)>\s*$/.exec(mailbox)?.[1] ?? mailbox).trim();
}

/** What the keys of all users begin with. */
const common = (prefix: string) => prefix.split('{{', 1)[0] ?? '';

/** A text in which nothing is a wildcard or a variable of IAM. */
export const literal = (plain: string) => plain.replace(/[*?$]/g, (letter) => `\${${letter}}`);

const text = (value: unknown) => (typeof value === 'string' ? value : undefined);

function needed<T>(service: T | undefined): T {
  if (service === undefined) throw new Error('a service is missing that a grant is for');
  return service;
}
