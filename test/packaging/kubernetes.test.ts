import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { ISecret } from 'kubernetes-models/v1/Secret';
import type { IService } from 'kubernetes-models/v1/Service';
import type { IServiceAccount } from 'kubernetes-models/v1/ServiceAccount';
import type { IPrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule';
import type { IServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
import { parse } from 'yaml';
import { loadSettings, type ProxySettings } from '../../src/settings/settings.ts';
import { type Manifest, rendered, typeErrors } from '../support/manifests.ts';

const place = resolve(import.meta.dirname, '../../deploy/kubernetes');
const scratch = mkdtempSync(join(tmpdir(), 'tallylight-kustomize-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** The base as an installation with the Prometheus operator uses it. */
function monitored(): string {
  const at = (folder: string): string => relative(scratch, join(place, folder));
  writeFileSync(
    join(scratch, 'kustomization.yaml'),
    `resources: [${at('base')}]\ncomponents: [${at('components/monitoring')}]\n`,
  );
  return scratch;
}

const overlays = readdirSync(join(place, 'overlays'));
const manifests: Readonly<Record<string, Manifest[]>> = {
  base: rendered('base', () => join(place, 'base')),
  monitored: rendered('monitored', monitored),
  ...Object.fromEntries(overlays.map((name) => [name, rendered(name, () => join(place, 'overlays', name))])),
};
const names = Object.keys(manifests);

interface Kinds {
  readonly ConfigMap: IConfigMap;
  readonly Deployment: IDeployment;
  readonly NetworkPolicy: INetworkPolicy;
  readonly PodDisruptionBudget: IPodDisruptionBudget;
  readonly PrometheusRule: IPrometheusRule;
  readonly Secret: ISecret;
  readonly SecretProviderClass: { readonly spec: { readonly parameters: { readonly objects: string } } };
  readonly Service: IService;
  readonly ServiceAccount: IServiceAccount;
  readonly ServiceMonitor: IServiceMonitor;
}

function only<Kind extends keyof Kinds>(name: string, kind: Kind, which = ''): Kinds[Kind] & Manifest {
  const found = (manifests[name] ?? []).filter(
    (manifest) => manifest.kind === kind && manifest.metadata.name.startsWith(which),
  );
  if (found.length !== 1) throw new Error(`${name} has ${found.length} of ${kind} ${which}`);
  return found[0] as unknown as Kinds[Kind] & Manifest;
}

/** The Pods of an overlay, with what is asked of them here. */
function podOf(name: string) {
  const { spec } = only(name, 'Deployment');
  const { metadata, spec: pod } = spec!.template;
  const proxy = pod!.containers.find((container) => container.name === 'tallylight')!;
  const env = Object.fromEntries((proxy.env ?? []).map((each) => [each.name, each.value ?? '']));
  return { spec: spec!, labels: metadata!.labels!, pod: pod!, proxy, env };
}

const clone = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

describe('every rendered manifest', () => {
  test('has only fields that its kind has, with values of their types', () => {
    expect(typeErrors(Object.values(manifests).flat())).toEqual([]);
  });

  test('would be refused with a misspelt field, at any depth, with the right name', () => {
    const kinds = ['Deployment', 'NetworkPolicy', 'PodDisruptionBudget', 'ServiceMonitor'] as const;
    const misspelt = kinds.map((kind): Manifest => clone(only('monitored', kind)));
    const [deployment, policy, budget, monitor] = misspelt as unknown as [
      IDeployment & { spec: { template: { spec: Record<string, unknown> } } },
      { spec: { ingress: { ports: Record<string, unknown>[] }[] } },
      { spec: Record<string, unknown> },
      { spec: { endpoints: Record<string, unknown>[] } },
    ];
    deployment.spec.template.spec.terminationGracePeriodSecond = 85;
    policy.spec.ingress[0]!.ports[0]!.protocl = 'TCP';
    budget.spec.maxUnavailble = 1;
    monitor.spec.endpoints[0]!.scrapeTimeOut = '10s';
    const errors = typeErrors(misspelt).join('\n');
    for (const [wrong, right] of [
      ['terminationGracePeriodSecond', 'terminationGracePeriodSeconds'],
      ['protocl', 'protocol'],
      ['maxUnavailble', 'maxUnavailable'],
      ['scrapeTimeOut', 'scrapeTimeout'],
    ])
      expect(errors).toMatch(new RegExp(`'${wrong}' does not exist.* Did you mean to write '${right}'`));
  });

  test('would be refused as a kind that does not exist, or with a number for a text', () => {
    const unknown = { apiVersion: 'apps/v1', kind: 'Deploymen', metadata: { name: 'x' } };
    expect(typeErrors([unknown])).not.toEqual([]);
    const deployment = clone(only('base', 'Deployment')) as unknown as {
      spec: { template: { spec: { containers: { env: { value: unknown }[] }[] } } };
    };
    deployment.spec.template.spec.containers[0]!.env[0]!.value = 10_000;
    expect(typeErrors([deployment as unknown as Manifest])).not.toEqual([]);
  });
});

describe.each(names)('in %s', (name) => {
  const { spec, labels, pod, proxy, env } = podOf(name);
  const selects = (selector: object | undefined): boolean =>
    Object.keys(selector ?? {}).length > 0 &&
    Object.entries(selector ?? {}).every(([label, value]) => labels[label] === value);

  test('every selector names the Pods of the proxy, and none is empty, which would name all', () => {
    expect(selects(spec.selector.matchLabels)).toBe(true);
    for (const { labelSelector } of pod.topologySpreadConstraints ?? [])
      expect(selects(labelSelector?.matchLabels)).toBe(true);
    const { spec: budget } = only(name, 'PodDisruptionBudget');
    expect(selects(budget?.selector?.matchLabels)).toBe(true);
    const { spec: network } = only(name, 'NetworkPolicy');
    expect(selects(network?.podSelector.matchLabels)).toBe(true);
    const services = manifests[name]!.filter(({ kind }) => kind === 'Service') as unknown as IService[];
    expect(services.length).toBeGreaterThan(0);
    expect(services.filter((service) => !selects(service.spec?.selector))).toEqual([]);
  });

  test('SIGKILL comes after the longest shutdown', () => {
    const sleep = proxy.lifecycle?.preStop?.sleep?.seconds ?? 0;
    const delay = Number(env.TALLYLIGHT_SHUTDOWN_DELAY_MS) / 1000;
    expect(delay).toBeGreaterThan(0);
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(sleep + delay + 65);
  });

  test('a process that hangs is restarted, and one without its store still gets traffic', () => {
    expect(proxy.livenessProbe?.httpGet).toEqual({ path: '/livez', port: 'admin' });
    expect(proxy.readinessProbe?.httpGet).toEqual({ path: '/readyz', port: 'admin' });
    expect(JSON.stringify(manifests[name])).not.toContain('/readyz/gates');
  });

  test('no rollout takes an instance away before another one is there', () => {
    expect(spec.strategy).toEqual({
      type: 'RollingUpdate',
      rollingUpdate: { maxUnavailable: 0, maxSurge: 1 },
    });
  });

  test('no container is root, can become it, or writes anywhere but where its data is', () => {
    expect(pod).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    for (const { securityContext } of pod.containers)
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    for (const mount of proxy.volumeMounts ?? [])
      expect(mount.readOnly ?? mount.name === 'evidence').toBe(true);
  });

  test('only the ingress controller reaches the port for bots, and only monitoring the admin port', () => {
    const { spec: network } = only(name, 'NetworkPolicy');
    expect(network?.policyTypes).toEqual(['Ingress', 'Egress']);
    expect(proxy.ports).toEqual([
      { name: 'http', containerPort: 8080 },
      { name: 'admin', containerPort: 9090 },
    ]);
    const allowed = (network?.ingress ?? []).map(({ from, ports: at }) => [
      at?.map(({ port }) => port),
      from?.map((peer) => peer.namespaceSelector?.matchLabels?.['kubernetes.io/metadata.name']),
    ]);
    expect(allowed).toEqual([
      [['http'], ['ingress-nginx']],
      [['admin'], ['monitoring']],
    ]);
    const everywhere = (network?.egress ?? []).filter(({ to }) =>
      (to ?? [{}]).some((peer) => Object.keys(peer).length === 0 || peer.ipBlock?.cidr === '0.0.0.0/0'),
    );
    expect(everywhere.map(({ ports: at }) => at)).toEqual([[{ port: 443 }]]);
  });

  test('every volume that is mounted is there, and the evidence lies on one', () => {
    const volumes = (pod.volumes ?? []).map((volume) => volume.name);
    for (const { volumeMounts = [] } of pod.containers)
      for (const mount of volumeMounts) expect(volumes).toContain(mount.name);
    const places = Object.fromEntries(
      (proxy.volumeMounts ?? []).map((mount) => [mount.name, mount.mountPath]),
    );
    expect(dirname(env.TALLYLIGHT_EVIDENCE_DIR ?? '')).toBe(places.evidence);
    expect(dirname(env.TALLYLIGHT_CONFIG ?? '')).toBe(places.settings);
  });
});

/** Where the webhook of Azure workload identity mounts the token of a Pod that asks for it. */
const identityToken = '/var/run/secrets/azure/tokens/azure-identity-token';

/** The settings that the proxy of an overlay starts with, from the objects that are mounted. `fill`: what is left to do. */
function settingsOf(
  name: string,
  secrets: Readonly<Record<string, string>>,
  fill = (text: string) => text,
): ProxySettings {
  const { pod, env } = podOf(name);
  const { data } = only(name, 'ConfigMap', 'tallylight-settings');
  const mounted = pod.volumes?.find((volume) => volume.configMap !== undefined)?.configMap?.name;
  expect(mounted).toBe(only(name, 'ConfigMap', 'tallylight-settings').metadata.name);
  const settings = loadSettings(env, (path) => {
    const [, folder, file = ''] = /^\/etc\/tallylight\/(settings|secrets)\/(.+)$/.exec(path) ?? [];
    const text = path === identityToken ? 'a token' : folder === 'settings' ? data?.[file] : secrets[file];
    if (text === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
    return fill(text);
  });
  if (settings.mode !== 'proxy') throw new Error('the sandbox was chosen');
  return settings;
}

test('the sandbox has settings and secrets that the proxy starts with, and state and evidence that end together', () => {
  const { data = {} } = only('sandbox', 'Secret');
  const secrets = Object.fromEntries(
    Object.entries(data).map(([file, text]) => [file, Buffer.from(text, 'base64').toString()]),
  );
  expect(settingsOf('sandbox', secrets)).toMatchObject({
    controlAuth: 'jwt',
    redisUrl: 'redis://127.0.0.1:6379',
    evidenceDir: '/var/lib/tallylight/evidence',
    graphCredentials: [{ clientSecret: 'sandbox-secret' }],
  });
  const { spec, pod } = podOf('sandbox');
  expect(spec.replicas).toBe(1);
  const inPod = pod.volumes?.filter((volume) => volume.emptyDir !== undefined).map((volume) => volume.name);
  expect(inPod).toEqual(expect.arrayContaining(['evidence', 'redis']));
  expect(manifests.sandbox?.filter(({ kind }) => kind === 'PersistentVolumeClaim')).toEqual([]);
  expect(pod.containers.find((container) => container.name === 'redis')?.args?.join(' ')).toMatch(
    /--bind 127\.0\.0\.1 --appendonly yes --appendfsync always --maxmemory-policy noeviction$/,
  );
});

test('Azure lets the proxy prove itself to Entra as its workload, without a secret for Graph', () => {
  const { labels, pod } = podOf('azure');
  expect(labels['azure.workload.identity/use']).toBe('true');
  const account = only('azure', 'ServiceAccount');
  expect(pod.serviceAccountName).toBe(account.metadata.name);
  expect(Object.keys(account.metadata.annotations ?? {}).toSorted()).toEqual([
    'azure.workload.identity/client-id',
    'azure.workload.identity/tenant-id',
  ]);
  // The webhook leaves alone what has the name of its volume, or its place.
  const mounts = pod.containers.flatMap(({ volumeMounts = [] }) => volumeMounts);
  expect(mounts.filter(({ mountPath }) => mountPath.startsWith('/var/run'))).toEqual([]);
});

test('Azure has settings that the proxy starts with once the angle brackets are replaced, and not before', () => {
  const secrets = { 'redis-url': 'rediss+cluster://:secret@redis.example:10000' };
  const id = '6f1d2c3a-58b4-4f0e-9c27-1a2b3c4d5e6f';
  const fill = (text: string): string =>
    text
      .replaceAll('<public name of the proxy>', 'tallylight.example')
      .replaceAll('<network of the Pods>', '10.0.0.0/8')
      .replaceAll(/<(?:tenant|client id of \w+ \w+)>/g, id);
  expect(() => settingsOf('azure', secrets)).toThrow('TALLYLIGHT_PUBLIC_URL');
  expect(settingsOf('azure', secrets, fill)).toMatchObject({
    redisUrl: secrets['redis-url'],
    graphCredentials: [{ clientId: id, federatedTokenFile: identityToken }],
  });
  // Every file that the settings name is one that Key Vault lays there.
  const { spec } = only('azure', 'SecretProviderClass');
  const laid = [...spec.parameters.objects.matchAll(/objectAlias: (\S+)/g)].map(([, alias]) => alias);
  expect(laid.toSorted()).toEqual(Object.keys(secrets).toSorted());
});

test('the monitor finds each instance on its own, under the name that the alerts ask for', () => {
  const { spec } = only('monitored', 'ServiceMonitor');
  const admin = only('monitored', 'Service', 'tallylight-admin');
  expect(admin.spec).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
  expect(admin.metadata.labels).toMatchObject(spec.selector.matchLabels!);
  expect(admin.metadata.labels?.[spec.jobLabel ?? '']).toBe('tallylight');
  expect(admin.spec?.ports?.map(({ name }) => name)).toContain(spec.endpoints[0]?.port);
});

test('rules and dashboards are those that Prometheus and Grafana are given elsewhere, each of them', () => {
  const at = resolve(place, '..');
  const { data: rules } = only('monitored', 'ConfigMap', 'tallylight-rules');
  const text = readFileSync(join(at, 'prometheus/tallylight.rules.yaml'), 'utf8');
  expect(rules).toEqual({ 'tallylight.rules.yaml': text });
  expect(only('monitored', 'PrometheusRule').spec).toEqual(parse(text));
  const boards = readdirSync(join(at, 'grafana/dashboards'));
  expect(boards.length).toBeGreaterThan(0);
  const { data: shown, metadata } = only('monitored', 'ConfigMap', 'tallylight-dashboards');
  expect(shown).toEqual(
    Object.fromEntries(
      boards.map((name) => [name, readFileSync(join(at, 'grafana/dashboards', name), 'utf8')]),
    ),
  );
  expect(metadata.labels).toMatchObject({ grafana_dashboard: '1' });
});

test('every object fits into the annotation that kubectl apply keeps of it', () => {
  for (const manifest of Object.values(manifests).flat())
    expect(JSON.stringify(manifest).length).toBeLessThan(256 * 1024);
});
