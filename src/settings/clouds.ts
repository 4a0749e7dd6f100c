/** Microsoft's clouds: where Graph is, and who signs in there. */
interface Cloud {
  readonly graph: readonly string[];
  readonly signIn: readonly string[];
}

const clouds: readonly Cloud[] = [
  { graph: ['graph.microsoft.com'], signIn: ['login.microsoftonline.com'] },
  { graph: ['graph.microsoft.us', 'dod-graph.microsoft.us'], signIn: ['login.microsoftonline.us'] },
  {
    graph: ['microsoftgraph.chinacloudapi.cn'],
    signIn: ['login.chinacloudapi.cn', 'login.partner.microsoftonline.cn'],
  },
];

export const cloudOfGraph = (host: string): Cloud | undefined =>
  clouds.find(({ graph }) => graph.includes(host));

export const cloudOfSignIn = (host: string): Cloud | undefined =>
  clouds.find(({ signIn }) => signIn.includes(host));
