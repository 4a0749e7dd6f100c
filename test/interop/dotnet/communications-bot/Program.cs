using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Graph.Communications.Calls;
using Microsoft.Graph.Communications.Client;
using Microsoft.Graph.Communications.Common.Telemetry;
using Microsoft.Graph.Models;
using Tallylight.Interop;

// A recording bot on Microsoft's stateful SDK, without its media library, which is for Windows.
var commands = new Commands();
ICommunicationsClient? client = null;
Func<Task<string>>? mediaToken = null;

ICall CallOf(JsonObject command) => client!.Calls()[(string)command["call"]!];

var url = await Notifications.ListenAsync(async request =>
    client is null
        ? new HttpResponseMessage(HttpStatusCode.ServiceUnavailable)
        : await client.ProcessNotificationAsync(request));

commands.On("build", command =>
{
    string Text(string name) => (string)command[name]!;
    Tokens For(string scope) => new(Text("mint"), Text("app"), Text("secret"), scope);
    var tokens = For(Text("scope"));
    var mediaTokens = For(Text("mediaScope"));
    mediaToken = () => mediaTokens.ForAsync(Text("tenant"));
    var logger = new GraphLogger("interop-bot") { DiagnosticLevel = TraceLevel.Warning };
    logger.Subscribe(new Observer(logged => Console.Error.WriteLine($"{logged.Level}: {logged.Message}")));
#pragma warning disable GRAPHCOMM_AUTH_0001 // Bots in production use it; what takes its place only knows Entra ID.
    var built = new CommunicationsClientBuilder("InteropBot", Text("app"), logger)
        .SetAuthenticationProvider(new BotAuthentication(tokens, Text("app"), Text("issuer"), Text("jwksUri")))
        .SetServiceBaseUrl(new Uri(Text("serviceBaseUrl")))
        .SetNotificationUrl(new Uri(Text("notificationUrl")))
        .Build();
#pragma warning restore GRAPHCOMM_AUTH_0001
    built.OnNotificationException += failed => commands.Tell("notificationFailed", Commands.Describe(failed.Exception));
    built.Calls().OnIncoming += (_, args) =>
    {
        foreach (var call in args.AddedResources) Follow(call);
    };
    client = built;
    return Task.FromResult<object?>(null);
});

commands.On("answer", async command =>
{
    await CallOf(command).AnswerAsync(
        new AppHostedMediaConfig { Blob = (string)command["blob"]! },
        [Modality.Audio],
        new IncomingCallOptions { IsContentSharingNotificationEnabled = true });
    return null;
});
commands.On("updateRecordingStatus", async command =>
{
    await CallOf(command).UpdateRecordingStatusAsync(Enum.Parse<RecordingStatus>((string)command["status"]!));
    return null;
});
commands.On("keepAlive", async command =>
{
    await CallOf(command).KeepAliveAsync();
    return null;
});
commands.On("mute", async command =>
{
    await CallOf(command).MuteAsync();
    return null;
});
commands.On("delete", async command =>
{
    await CallOf(command).DeleteAsync();
    return null;
});
commands.On("calls", _ => Task.FromResult<object?>(client!.Calls().Select(Describe).ToArray()));
new Uploads().Offer(commands, () => mediaToken!());

void Follow(ICall call)
{
    commands.Tell("incoming", Describe(call));
    call.OnUpdated += (_, args) => commands.Tell("updated", Describe(call));
    call.Participants.OnUpdated += (_, args) => commands.Tell("roster", new
    {
        call = call.Id,
        added = args.AddedResources.Count,
        removed = args.RemovedResources.Count,
        names = string.Join(", ", call.Participants.Select(one => one.Resource.Info?.Identity?.User?.DisplayName).Order()),
        recording = call.Participants.First().Resource.RecordingInfo?.RecordingStatus?.ToString(),
    });
}

static object Describe(ICall call) => new
{
    call = call.Id,
    tenant = call.TenantId,
    state = call.Resource.State?.ToString(),
    code = call.Resource.ResultInfo?.Code,
    subcode = call.Resource.ResultInfo?.Subcode,
    observed = call.Resource.IncomingContext?.ObservedParticipantId,
};

commands.Tell("listening", new { url });
await commands.RunAsync();

internal sealed class Observer(Action<LogEvent> take) : IObserver<LogEvent>
{
    public void OnNext(LogEvent value) => take(value);

    public void OnCompleted()
    {
    }

    public void OnError(Exception error)
    {
    }
}
