/** What somebody should hear of, as docs/courier.md and the others say. */
import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  ComparisonOperator,
  Dashboard,
  GraphWidget,
  type IMetric,
  MathExpression,
  Metric,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';

/** How often and for how long something has to be. */
interface Sensitivity {
  readonly threshold?: number;
  readonly periods?: number;
  readonly treatMissingData?: TreatMissingData;
}

export class Watch {
  public readonly alarms: Alarm[] = [];

  public constructor(
    private readonly scope: Construct,
    private readonly topic?: ITopic,
  ) {}

  /** Of a function behind triggers: users wait for it. */
  public triggers(name: string, fn: IFunction): void {
    this.alarm(`${name}Faults`, 'Rules fail; their denials are not counted here', own(fn, 'Faults'));
    this.alarm(`${name}Errors`, 'The function ended before it answered', fn.metricErrors({ period: MINUTE }));
    this.alarm(
      `${name}Slow`,
      'Triggers take long; Cognito gives up after 5 s',
      fn.metricDuration({ period: MINUTE, statistic: Stats.percentile(99) }),
      { threshold: 3000, periods: 3 },
    );
    this.alarm(
      `${name}Throttles`,
      'Lambda turned triggers away: users cannot sign in',
      fn.metricThrottles({ period: MINUTE }),
    );
  }

  public courier(fn: IFunction): void {
    this.alarm('CourierFaults', 'The courier cannot read or write the ledger, or has no time', own(fn, 'Faults'), {
      periods: 5,
    });
    this.alarm(
      'CourierErrors',
      'The courier fails as a whole, as with a wrong configuration',
      fn.metricErrors({ period: MINUTE }),
      { periods: 3 },
    );
    this.alarm('Parked', 'Deliveries were given up until somebody looks: poolctl outbox list', own(fn, 'Parked'));
    this.alarm(
      'Overdue',
      'Deliveries wait for more than 15 minutes, or nobody sweeps',
      own(fn, 'OldestDueSeconds', Stats.MAXIMUM),
      { threshold: 900, periods: 15, treatMissingData: TreatMissingData.BREACHING },
    );
  }

  public links(fn: IFunction): void {
    this.alarm('LinksErrors', 'Pages behind links fail', fn.metricErrors({ period: MINUTE }));
    this.alarm('LinksFaults', 'What a link was to do could not be done', own(fn, 'Faults'));
  }

  public sessionRelease(fn: IFunction): void {
    this.alarm('SessionReleaseErrors', 'Sign-outs cannot be noted', fn.metricErrors({ period: MINUTE }));
    this.alarm(
      'Unclear',
      "CloudTrail's records do not say whose sessions end",
      own(fn, 'Unclear', Stats.SUM, Duration.minutes(5)),
    );
  }

  public deadLetters(queue: IQueue): void {
    this.alarm(
      'DeadLetters',
      'Something could not be handed to a function; look into the queue',
      queue.metricApproximateNumberOfMessagesVisible({ period: MINUTE, statistic: Stats.MAXIMUM }),
    );
  }

  private alarm(
    id: string,
    alarmDescription: string,
    metric: IMetric,
    { threshold = 0, periods = 1, treatMissingData = TreatMissingData.NOT_BREACHING }: Sensitivity = {},
  ): void {
    const alarm = new Alarm(this.scope, `${id}Alarm`, {
      alarmDescription,
      metric,
      threshold,
      evaluationPeriods: periods,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData,
    });
    if (this.topic !== undefined) {
      const action = new SnsAction(this.topic);
      alarm.addAlarmAction(action);
      alarm.addOkAction(action);
    }
    this.alarms.push(alarm);
  }
}

/** What there is to see at a glance. */
export function dashboardOf(
  scope: Construct,
  triggers: readonly IFunction[],
  courier?: IFunction,
  deadLetters?: IQueue,
): Dashboard {
  const each = (name: string, statistic: string = Stats.SUM) => triggers.map((fn) => search(fn, name, statistic));
  const rows = [
    [
      new GraphWidget({ title: 'Triggers: answers', width: 12, left: each('Invocations') }),
      new GraphWidget({
        title: 'Denials by rule',
        width: 12,
        left: triggers.map((fn) => search(fn, 'Denials', Stats.SUM, 'rule')),
      }),
    ],
    [
      new GraphWidget({ title: 'Faults', width: 12, left: triggers.map((fn) => own(fn, 'Faults', Stats.SUM, FIVE)) }),
      new GraphWidget({ title: 'How long an answer takes (p99, ms)', width: 12, left: each('Duration', 'p99') }),
    ],
    ...(courier === undefined
      ? []
      : [
          [
            new GraphWidget({
              title: 'Courier',
              width: 12,
              left: ['Delivered', 'Retried', 'Throttled', 'Parked'].map((name) => own(courier, name, Stats.SUM, FIVE)),
            }),
            new GraphWidget({
              title: 'Backlog',
              width: 12,
              left: ['BacklogDue', 'BacklogParked'].map((name) => own(courier, name, Stats.MAXIMUM, FIVE)),
              right: [own(courier, 'OldestDueSeconds', Stats.MAXIMUM, FIVE)],
            }),
          ],
        ]),
    [
      new GraphWidget({
        title: 'Throttles',
        width: 12,
        left: triggers.map((fn) => fn.metricThrottles({ period: FIVE })),
      }),
      ...(deadLetters === undefined
        ? []
        : [
            new GraphWidget({
              title: 'Dead letters',
              width: 12,
              left: [deadLetters.metricApproximateNumberOfMessagesVisible({ period: FIVE, statistic: Stats.MAXIMUM })],
            }),
          ]),
    ],
  ];
  return new Dashboard(scope, 'Dashboard', { widgets: rows });
}

const MINUTE = Duration.minutes(1);
const FIVE = Duration.minutes(5);
const NAMESPACE = 'CognitoTriggers';

/** What functions count themselves. */
function own(fn: IFunction, metricName: string, statistic: string = Stats.SUM, period = MINUTE): Metric {
  return new Metric({
    namespace: NAMESPACE,
    metricName,
    dimensionsMap: { function: fn.functionName },
    statistic,
    period,
  });
}

/** The same by trigger or rule, whichever there are. */
function search(fn: IFunction, metricName: string, statistic: string, by = 'trigger'): MathExpression {
  const expression = `SEARCH('{${NAMESPACE},function,${by}} MetricName="${metricName}" function="${fn.functionName}"', '${statistic}', 300)`;
  return new MathExpression({ expression, usingMetrics: {}, period: FIVE, label: '' });
}
