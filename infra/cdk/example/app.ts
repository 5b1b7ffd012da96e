/** An app to begin with. `cdk deploy` takes it from cdk.json; docs/deploy-cdk.md walks through it. */
import { App, CfnOutput, Duration, RemovalPolicy, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import { OAuthScope, UserPoolClient } from 'aws-cdk-lib/aws-cognito';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { Construct } from 'constructs';
import { join } from 'node:path';
// In an app of your own: from 'cognito-triggers-cdk'.
import { CognitoTriggers } from '../lib';

/** What differs between stages is said on the command line, as `--context stage=prod`. */
interface AcmeProps extends StackProps {
  readonly isProduction: boolean;
  /** Where programs are; without it where `cargo lambda build` leaves them. */
  readonly code?: string;
  /** Where functions look for their configuration, if not in the layer. */
  readonly configPath?: string;
  readonly architecture?: string;
  readonly packager?: string;
}

class AcmeStack extends Stack {
  public readonly triggers: CognitoTriggers;

  public constructor(scope: Construct, id: string, props: AcmeProps) {
    super(scope, id, props);
    this.triggers = new CognitoTriggers(this, 'Triggers', {
      rules: {
        domainAllowList: {
          allow: ['example.com', '*.example.com'],
          message: 'Please sign up with your company address',
        },
        maintenance: {},
        sessionLimit: { max: 5 },
        signInCount: {},
        welcomeEmail: {},
        s3Provisioning: { files: 'provision/' },
        userEvents: { attributes: ['email', 'locale'] },
      },
      mail: { from: 'Acme <hello@acme.example>' },
      // Beside triggers.toml, where `files` looks for it.
      folders: { provision: join(__dirname, '../../example/provision') },
      layout: props.isProduction ? 'each' : 'one',
      functionProps: { architecture: props.architecture === 'x86_64' ? Architecture.X86_64 : Architecture.ARM_64 },
      code: props.code,
      configPath: props.configPath,
      packager: props.packager?.split(' '),
      removalPolicy: props.isProduction ? RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE : RemovalPolicy.DESTROY,
    });

    const { userPool, ledger } = this.triggers;
    // For browsers and phones, which keep no secret.
    const client = new UserPoolClient(this, 'PublicClient', {
      userPool,
      generateSecret: false,
      authFlows: { userSrp: true },
      preventUserExistenceErrors: true,
      refreshTokenValidity: Duration.days(30),
      oAuth: {
        flows: { authorizationCodeGrant: true },
        scopes: [OAuthScope.OPENID, OAuthScope.EMAIL],
        callbackUrls: ['http://localhost:3000/'],
      },
    });
    new CfnOutput(this, 'UserPoolId', { value: userPool.userPoolId });
    new CfnOutput(this, 'PublicClientId', { value: client.userPoolClientId });
    new CfnOutput(this, 'LedgerTable', { value: ledger?.tableName ?? '' });
    this.acknowledge(this.triggers);
  }

  /** What AwsSolutions asks for and this stack leaves out. */
  private acknowledge({ userPool, bucket }: CognitoTriggers): void {
    Validations.of(userPool).acknowledge({
      id: 'AwsSolutions-COG2',
      reason: 'A second factor is offered to everybody and required of nobody.',
    });
    Validations.of(userPool).acknowledge({
      id: 'AwsSolutions-COG8',
      reason: 'The feature plan Plus is paid for each user; a stage with many users may choose it.',
    });
    if (bucket !== undefined) {
      Validations.of(bucket).acknowledge({
        id: 'AwsSolutions-S1',
        reason: 'Files are put by functions alone, which log what they do.',
      });
    }
  }
}

const app = new App();
const context = (name: string) => app.node.tryGetContext(name) as string | undefined;
new AcmeStack(app, 'Acme', {
  description: 'A user pool with rules',
  isProduction: context('stage') === 'prod',
  code: context('code'),
  configPath: context('config'),
  architecture: context('architecture'),
  packager: context('packager'),
});
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
