using System.Text.Json;
using System.Text.Json.Nodes;
using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using Azure.Storage.Sas;

// Does what its standard input says, a JSON object on each line, and answers on its standard output.
string Setting(string name) => Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException(name);
var credential = new StorageSharedKeyCredential(Setting("ACCOUNT"), Setting("ACCOUNT_KEY"));

BlobClientOptions Options(List<Attempt> attempts, string tokenIn = "Tallylight-Authorization")
{
    var options = new BlobClientOptions();
    // As many tries as the package makes of its own accord, but sooner.
    options.Retry.Delay = TimeSpan.FromMilliseconds(50);
    options.Retry.MaxDelay = TimeSpan.FromMilliseconds(200);
    options.Retry.NetworkTimeout = TimeSpan.FromSeconds(30);
    options.AddPolicy(new TokenPolicy(tokenIn, Setting("TOKEN")), HttpPipelinePosition.PerRetry);
    options.AddPolicy(new AttemptsPolicy(attempts), HttpPipelinePosition.PerRetry);
    return options;
}

BlobContainerClient Container(string endpoint, JsonNode command, List<Attempt> attempts)
{
    var name = command["container"]?.GetValue<string>() ?? Setting("CONTAINER");
    var options = Options(attempts, command["tokenIn"]?.GetValue<string>() ?? "Tallylight-Authorization");
    var url = new Uri($"{Setting(endpoint)}/{name}");
    if (endpoint == "DIRECT" || command["sas"] is null) return new BlobContainerClient(url, credential, options);
    var builder = new BlobSasBuilder(BlobContainerSasPermissions.All, DateTimeOffset.UtcNow.AddHours(1))
    {
        BlobContainerName = name,
        Resource = "c",
    };
    return new BlobContainerClient(new Uri($"{url}?{builder.ToSasQueryParameters(credential)}"), options);
}

async Task<JsonNode?> Run(JsonNode command, List<Attempt> attempts)
{
    string Text(string name) => command[name]!.GetValue<string>();
    var container = Container("ENDPOINT", command, attempts);
    byte[] Bytes()
    {
        var bytes = new byte[command["bytes"]!.GetValue<int>()];
        Array.Fill(bytes, (byte)'m');
        return bytes;
    }
    static string Id(string name) => Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(name));
    switch (Text("name"))
    {
        case "prepare":
            await Container("DIRECT", command, []).CreateIfNotExistsAsync();
            return null;
        case "upload":
            await container.GetBlockBlobClient(Text("blob")).UploadAsync(new MemoryStream(Bytes()));
            return null;
        case "uploadAt":
            // By a URL that was written elsewhere, with the slash in the name encoded.
            var at = new Uri($"{container.Uri.GetLeftPart(UriPartial.Path)}/{Text("call")}/{Uri.EscapeDataString(Text("rest"))}");
            await new BlockBlobClient(at, credential, Options(attempts)).UploadAsync(new MemoryStream(Bytes()));
            return null;
        case "stage":
            await container.GetBlockBlobClient(Text("blob")).StageBlockAsync(Id(Text("block")), new MemoryStream(Bytes()));
            return null;
        case "commit":
            var ids = command["blocks"]!.AsArray().Select((id) => Id(id!.GetValue<string>()));
            await container.GetBlockBlobClient(Text("blob")).CommitBlockListAsync(ids);
            return null;
        case "append":
            var blob = container.GetAppendBlobClient(Text("blob"));
            await blob.CreateIfNotExistsAsync();
            await blob.AppendBlockAsync(new MemoryStream(Bytes()));
            return null;
        case "size":
            return (await container.GetBlobClient(Text("blob")).GetPropertiesAsync()).Value.ContentLength;
        case "remove":
            await container.GetBlobClient(Text("blob")).DeleteAsync();
            return null;
        case "stored":
            var direct = Container("DIRECT", command, []);
            var found = new JsonObject();
            await foreach (var item in direct.GetBlobsAsync(new GetBlobsOptions { Prefix = Text("prefix"), States = BlobStates.Uncommitted }))
                found[item.Name] = item.Properties.ContentLength;
            return found;
        default:
            throw new InvalidOperationException(Text("name"));
    }
}

Console.WriteLine("""{"ready":true}""");
await Task.WhenAll(Commands().Select(Answer));

// Each runs as soon as it was read: an upload may be held up while others go on.
IEnumerable<JsonNode> Commands()
{
    while (Console.ReadLine() is { } line) yield return JsonNode.Parse(line)!;
}

Task Answer(JsonNode command) => Task.Run(async () =>
{
    var attempts = new List<Attempt>();
    var answer = new JsonObject { ["id"] = command["id"]!.GetValue<int>() };
    try
    {
        answer["value"] = await Run(command, attempts);
    }
    catch (Exception error)
    {
        var failed = error as RequestFailedException ?? (error as AggregateException)?.InnerExceptions.OfType<RequestFailedException>().LastOrDefault();
        answer["failure"] = new JsonObject { ["status"] = failed?.Status ?? 0, ["code"] = failed?.ErrorCode, ["text"] = error.Message };
    }
    answer["attempts"] = JsonSerializer.SerializeToNode(attempts, JsonSerializerOptions.Web);
    lock (Console.Out) Console.WriteLine(answer.ToJsonString());
});

/// <summary>What the proxy answered to one try; 0: nothing.</summary>
internal sealed record Attempt(string Method, int Status, string? Reason);

/// <summary>The token for the proxy. With a SAS nothing else needs Authorization; with a key it is in a header of its own.</summary>
internal sealed class TokenPolicy(string tokenIn, string token) : HttpPipelineSynchronousPolicy
{
    public override void OnSendingRequest(HttpMessage message) =>
        message.Request.Headers.SetValue(tokenIn, $"Bearer {token}");
}

internal sealed class AttemptsPolicy(List<Attempt> attempts) : HttpPipelinePolicy
{
    public override void Process(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline) =>
        throw new NotSupportedException();

    public override async ValueTask ProcessAsync(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline)
    {
        var method = message.Request.Method.Method;
        try
        {
            await ProcessNextAsync(message, pipeline);
        }
        catch
        {
            attempts.Add(new Attempt(method, 0, null));
            throw;
        }
        message.Response.Headers.TryGetValue("Tallylight-Reason", out var reason);
        attempts.Add(new Attempt(method, message.Response.Status, reason));
    }
}
