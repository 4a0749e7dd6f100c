using System.Text.Json.Nodes;
using Microsoft.Graph;
using Microsoft.Graph.Communications.Calls.Item;
using Microsoft.Graph.Communications.Calls.Item.Answer;
using Microsoft.Graph.Communications.Calls.Item.Mute;
using Microsoft.Graph.Communications.Calls.Item.UpdateRecordingStatus;
using Microsoft.Graph.Models;
using Microsoft.Kiota.Abstractions.Authentication;
using Tallylight.Interop;

// What a recording bot asks of Graph, with Microsoft's generated SDK.
var commands = new Commands();
GraphServiceClient? graph = null;

CallItemRequestBuilder CallOf(JsonObject command) => graph!.Communications.Calls[(string)command["call"]!];

commands.On("build", command =>
{
    string Text(string name) => (string)command[name]!;
    var tokens = new Tokens(Text("mint"), Text("app"), Text("secret"), Text("scope"));
    var hosts = command["allowedHosts"]!.AsArray().Select(host => (string)host!);
    var provider = new TokenProvider(() => tokens.ForAsync(Text("tenant")), hosts);
    graph = new GraphServiceClient(new BaseBearerTokenAuthenticationProvider(provider), Text("serviceBaseUrl"));
    return Task.FromResult<object?>(null);
});

commands.On("get", async command => (await CallOf(command).GetAsync())?.State?.ToString());
commands.On("answer", async command =>
{
    await CallOf(command).Answer.PostAsync(new AnswerPostRequestBody
    {
        CallbackUri = (string)command["callbackUri"]!,
        MediaConfig = new AppHostedMediaConfig { Blob = "<media session>" },
        AcceptedModalities = [Modality.Audio],
    });
    return null;
});
commands.On("updateRecordingStatus", async command =>
{
    var body = new UpdateRecordingStatusPostRequestBody
    {
        ClientContext = "interop",
        Status = Enum.Parse<RecordingStatus>((string)command["status"]!),
    };
    var operation = await CallOf(command).UpdateRecordingStatus.PostAsync(body);
    return new { status = operation?.Status?.ToString(), id = operation?.Id };
});
commands.On("operation", async command =>
    (await CallOf(command).Operations[(string)command["operation"]!].GetAsync())?.Status?.ToString());
commands.On("keepAlive", async command =>
{
    await CallOf(command).KeepAlive.PostAsync();
    return null;
});
commands.On("mute", async command =>
    (await CallOf(command).Mute.PostAsync(new MutePostRequestBody { ClientContext = "interop" }))?.Status?.ToString());
commands.On("participants", async command =>
    (await CallOf(command).Participants.GetAsync())?.Value?.Select(one => one.RecordingInfo?.RecordingStatus?.ToString()).ToArray());
commands.On("delete", async command =>
{
    await CallOf(command).DeleteAsync();
    return null;
});

commands.Tell("listening", new { });
await commands.RunAsync();

internal sealed class TokenProvider(Func<Task<string>> token, IEnumerable<string> allowedHosts) : IAccessTokenProvider
{
    public AllowedHostsValidator AllowedHostsValidator { get; } = new(allowedHosts);

    /// <summary>As Microsoft's own providers do: a host that is not allowed gets no token, and the request goes out without one.</summary>
    public async Task<string> GetAuthorizationTokenAsync(
        Uri uri,
        Dictionary<string, object>? additionalAuthenticationContext = null,
        CancellationToken cancellationToken = default) =>
        AllowedHostsValidator.IsUrlHostValid(uri) ? await token() : string.Empty;
}
