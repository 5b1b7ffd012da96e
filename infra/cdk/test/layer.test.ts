/** The layer: what is at /opt/triggers. */
import { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CognitoTriggers, type CognitoTriggersProps } from '../lib';
import { app, files, programs } from './house';

/** The folder the layer's zip is made of. */
function layer(props: CognitoTriggersProps): { here: string; triggers: CognitoTriggers } {
  const all = app();
  const stack = new Stack(all, 'Acme');
  const triggers = new CognitoTriggers(stack, 'Triggers', { code: programs, ...props });
  const out = all.synth().directory;
  const [found] = Object.values(Template.fromStack(stack).findResources('AWS::Lambda::LayerVersion')) as {
    Properties: { Content: { S3Key: string } };
  }[];
  return { here: join(out, `asset.${(found?.Properties.Content.S3Key ?? '').replace(/\.zip$/, '')}`), triggers };
}

const RULES: CognitoTriggersProps['rules'] = {
  domainAllowList: { allow: ['example.com'] },
  s3Provisioning: { files: 'provision/' },
};
const LOCAL = join(process.env['CARGO_TARGET_DIR'] ?? 'target', 'debug/local');
const skip = existsSync(LOCAL) ? false : 'cargo local is not built';

test('the file and what it names lie where functions look', () => {
  const templates = files({ 'welcome-email/en.subject': 'Welcome', 'welcome-email/en.txt': 'Hello' });
  const provision = files({ 'README.txt': 'Yours' });
  const { here, triggers } = layer({ rules: RULES, templates, folders: { provision } });
  assert.equal(readFileSync(join(here, 'triggers/triggers.toml'), 'utf8'), triggers.toml);
  assert.equal(readFileSync(join(here, 'triggers/templates/welcome-email/en.txt'), 'utf8'), 'Hello');
  assert.equal(readFileSync(join(here, 'triggers/provision/README.txt'), 'utf8'), 'Yours');
});

test('the same settings make the same layer', () => {
  const { here: one } = layer({ rules: { signInCount: {} } });
  const { here: other } = layer({ rules: { signInCount: {} } });
  assert.equal(one.replace(/^.*asset\./, ''), other.replace(/^.*asset\./, ''));
  assert.deepEqual(readdirSync(one), ['triggers']);
});

test('style sheets are warned of', () => {
  const templates = files({ 'welcome-email/en.html': '<style>p { color: red }</style><p>Hello</p>' });
  const { triggers } = layer({ rules: { signInCount: {} }, templates });
  assert.match(JSON.stringify(triggers.node.metadata), /en\.html has a style sheet/);
});

test('the packager puts style sheets into elements', { skip }, () => {
  const templates = files({
    'welcome-email/en.subject': 'Welcome',
    'welcome-email/en.html': '<html><head><style>p { color: red }</style></head><body><p>Hello</p></body></html>',
    'welcome-email/en.txt': 'Hello',
  });
  const { here, triggers } = layer({
    rules: { welcomeEmail: {} },
    mail: { from: 'Acme <hello@acme.example>' },
    templates,
    packager: [LOCAL],
  });
  assert.match(readFileSync(join(here, 'triggers/templates/welcome-email/en.html'), 'utf8'), /<p style="color: ?red/);
  assert.doesNotMatch(JSON.stringify(triggers.node.metadata), /style sheet/);
});

test('the packager refuses what the schema cannot know', { skip }, () => {
  assert.throws(
    () => layer({ rules: { domainAllowList: { allow: [] } }, packager: [LOCAL] }),
    /refuses the configuration:\n.*triggers\.toml:\d+: domain-allow-list/s,
  );
  const broken = files({ 'welcome-email/en.subject': '{{ name', 'welcome-email/en.txt': 'Hello' });
  assert.throws(
    () =>
      layer({ rules: { welcomeEmail: {} }, mail: { from: 'a@acme.example' }, templates: broken, packager: [LOCAL] }),
    /refuses the configuration/,
  );
});

test('a packager that cannot be run says so', () => {
  assert.throws(
    () => layer({ rules: { signInCount: {} }, packager: ['/nowhere/local'] }),
    /`\/nowhere\/local` cannot be run/,
  );
});
