/** From settings to triggers.toml. */
import { Lazy } from 'aws-cdk-lib';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'smol-toml';
import { ConfigurationError } from '../lib';
import { Configuration, type ConfigurationProps, type Rules } from '../lib/configuration';

/** As plain objects. */
const toml = (props: ConfigurationProps) =>
  JSON.parse(JSON.stringify(parse(new Configuration(props).toml()))) as Record<string, unknown>;

function refused(rules: unknown, pools?: unknown): string {
  try {
    new Configuration({ rules: rules as Rules, pools: pools as ConfigurationProps['pools'] });
  } catch (error) {
    assert(error instanceof ConfigurationError, String(error));
    return error.message;
  }
  return assert.fail('nothing is refused');
}

test('keys are written as triggers.toml has them, at every depth', () => {
  const rules: Rules = {
    sessionLimit: {
      max: 3,
      policy: 'sign-out-others',
      maxByGroup: { theStaff: 9 },
      clients: { '1exampleABC': { refreshTokenDays: 7 } },
    },
    signInAlert: { atMostOncePerHours: 2, notMeLinkDays: 7 },
    links: { productName: 'Acme' },
  };
  assert.deepEqual(toml({ rules }), {
    services: { delivery: 'inline' },
    'session-limit': {
      max: 3,
      policy: 'sign-out-others',
      'max-by-group': { theStaff: 9 },
      clients: { '1exampleABC': { 'refresh-token-days': 7 } },
    },
    'sign-in-alert': { 'at-most-once-per-hours': 2, 'not-me-link-days': 7 },
    links: { 'product-name': 'Acme' },
  });
});

test('what is data keeps its case: groups, clients, languages, attributes', () => {
  const rules: Rules = {
    maintenance: { messages: { 'de-AT': 'Gleich wieder da' }, exemptClients: ['1ExampleClient'] },
  };
  assert.deepEqual(toml({ rules })['maintenance'], {
    messages: { 'de-AT': 'Gleich wieder da' },
    'exempt-clients': ['1ExampleClient'],
  });
  const secret: Rules = { accessCode: { codes: ['Open Sesame', { env: 'SIGN_UP_CODE' }] } };
  assert.deepEqual(toml({ rules: secret })['access-code'], { codes: ['Open Sesame', { env: 'SIGN_UP_CODE' }] });
});

test('a text survives, whatever is in it', () => {
  const message = 'Wait "here"\\n\nfor\tZoë \u{1F980} \u0001\u007f \u2028 \'\'\' """ # = [x]';
  const rules: Rules = { domainAllowList: { allow: ['example.com'], message } };
  assert.equal((toml({ rules })['domain-allow-list'] as Record<string, unknown>)['message'], message);
});

test('a rule without settings is on, and one that is undefined is not there', () => {
  assert.deepEqual(toml({ rules: { signInCount: {}, maintenance: undefined } }), {
    services: { delivery: 'inline' },
    'sign-in-count': {},
  });
});

test('pools have tables of their own, in which what is required may be missing', () => {
  const pools = {
    'eu-central-1_Globex': { sessionLimit: { policy: 'sign-out-others' as const }, accessCode: { off: true } },
  };
  const written = toml({ rules: { sessionLimit: { max: 3 } }, pools, delivery: 'deferred' });
  assert.deepEqual(written['pools'], {
    'eu-central-1_Globex': { 'session-limit': { policy: 'sign-out-others' }, 'access-code': { off: true } },
  });
  assert.deepEqual(written['services'], { delivery: 'deferred' });
});

test('of a rule the tables count that are on', () => {
  const pools = {
    'eu-central-1_A': { signInCount: { off: true } },
    'eu-central-1_B': { signInCount: { perClient: false } },
  };
  const configuration = new Configuration({ rules: { signInCount: { oncePerSeconds: 5 } }, pools });
  assert.deepEqual(configuration.of('sign-in-count'), [
    { 'once-per-seconds': 5 },
    { 'once-per-seconds': 5, 'per-client': false },
  ]);
});

test('what is wrong is said with its place, and what was meant', () => {
  assert.equal(
    refused({ domainAlowList: {} }),
    'rules: there is no rule `domainAlowList`; did you mean `domainAllowList`?',
  );
  assert.equal(
    refused({ 'domain-allow-list': {} }),
    'rules: there is no rule `domain-allow-list`; did you mean `domainAllowList`?',
  );
  assert.equal(
    refused({ domainAllowList: { alow: ['example.com'] } }),
    'rules.domainAllowList: there is no setting `alow`; did you mean `allow`?',
  );
  assert.match(
    refused({ domainAllowList: { allow: ['@example.com'] } }),
    /^rules\.domainAllowList\.allow\[0\]: must match pattern/,
  );
  assert.equal(refused({ sessionLimit: {} }), 'rules.sessionLimit: `max` is missing');
  assert.equal(refused({ sessionLimit: { max: 'three' } }), 'rules.sessionLimit.max: must be integer');
  assert.equal(refused({ sessionLimit: { max: -1 } }), 'rules.sessionLimit.max: must be >= 0');
  assert.equal(
    refused({ sessionLimit: { max: 1, policy: 'alow' } }),
    "rules.sessionLimit.policy: this is none of 'deny', 'sign-out-others'",
  );
  assert.equal(
    refused({ signInCount: { delivery: 'later' } }),
    "rules.signInCount.delivery: this is none of 'inline', 'deferred'",
  );
  assert.equal(
    refused({ maintenance: { windows: [{ from: '2026-13-24T22:00:00+01:00', until: '2026-12-25T02:00:00Z' }] } }),
    'rules.maintenance.windows[0].from: must match format "date-time"',
  );
  assert.equal(
    refused({ maintenance: { windows: [{ from: '2026-12-24T22:00:00Z' }] } }),
    'rules.maintenance.windows[0]: `until` is missing',
  );
  assert.equal(
    refused({ links: { productname: 'Acme' } }),
    'rules.links: there is no setting `productname`; did you mean `productName`?',
  );
});

test('everything that is wrong is said at once', () => {
  const text = refused({ sessionLimit: { max: 0.5, polcy: 'deny' }, signInCounts: {} });
  assert.match(text, /^3 settings are wrong:\n/);
  for (const one of [
    'rules.sessionLimit.max',
    '`polcy`; did you mean `policy`?',
    '`signInCounts`; did you mean `signInCount`?',
  ])
    assert(text.includes(one), text);
});

test('nothing is on without a rule', () => {
  assert.match(refused({}), /no rule is on/);
  assert.match(refused({ links: {} }), /no rule is on/);
});

test('a token is no value for a rule', () => {
  assert.match(
    refused({ domainAllowList: { allow: [Lazy.string({ produce: () => 'example.com' })] } }),
    /^rules\.domainAllowList\.allow\[0\]: .*token/,
  );
  assert.match(
    refused({ signInCount: {} }, { [Lazy.string({ produce: () => 'eu-central-1_A' })]: { signInCount: {} } }),
    /^pools: .*not known before it is deployed/,
  );
});

test('a pool is named by its id', () => {
  assert.match(refused({ signInCount: {} }, { acme: { signInCount: {} } }), /`acme` is not the id of a user pool/);
});
