/** What is generated is what the Rust code says now. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder } from './house';

/** The clone: tests may run elsewhere. */
const CDK = process.env['TRIGGERS_CDK'] ?? join(__dirname, '../..');
const SCHEMA = join(CDK, '../../docs/triggers.schema.json');
const GRANTS = join(CDK, '../grants.json');

test(
  'types, schema and grants are up to date',
  { skip: existsSync(SCHEMA) ? false : 'this is not a clone of the repository' },
  () => {
    const to = folder();
    const made = spawnSync(process.execPath, [join(__dirname, '../tools/generate.js'), SCHEMA, GRANTS, to], {
      encoding: 'utf8',
    });
    assert.equal(made.status, 0, made.stderr);
    for (const name of ['rules.generated.ts', 'facts.generated.ts']) {
      assert(
        readFileSync(join(to, name), 'utf8') === readFileSync(join(CDK, 'lib', name), 'utf8'),
        `lib/${name} is out of date: run \`infra/cdk/test/run generate\``,
      );
    }
  },
);
