using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Tallylight.Interop;

/// <summary>Media as a bot sends it: whole bodies, or bodies that a test makes longer step by step.</summary>
public sealed class Uploads
{
    private readonly HttpClient http = new();
    private readonly ConcurrentDictionary<string, Running> running = new();

    private sealed record Running(Channel<byte[]> Body, Task<object?> Answer);

    public void Offer(Commands commands, Func<Task<string>> token)
    {
        commands.On("upload", async command =>
        {
            using var body = new ByteArrayContent(new byte[(int)command["bytes"]!]);
            return await SendAsync(command, body, await token());
        });
        commands.On("beginUpload", async command =>
        {
            var channel = Channel.CreateUnbounded<byte[]>();
            var answer = SendAsync(command, new GrowingContent(channel.Reader), await token());
            running[(string)command["upload"]!] = new Running(channel, answer);
            return null;
        });
        commands.On("feed", command =>
        {
            running[(string)command["upload"]!].Body.Writer.TryWrite(new byte[(int)command["bytes"]!]);
            return Task.FromResult<object?>(null);
        });
        commands.On("finish", command =>
        {
            running[(string)command["upload"]!].Body.Writer.TryComplete();
            return Task.FromResult<object?>(null);
        });
        commands.On("answerOf", command => running[(string)command["upload"]!].Answer);
    }

    private async Task<object?> SendAsync(JsonObject command, HttpContent body, string token)
    {
        body.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        using var request = new HttpRequestMessage(new HttpMethod((string)command["method"]!), (string)command["url"]!)
        {
            Content = body,
        };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        request.Headers.ExpectContinue = (bool?)command["expectContinue"];
        using var answer = await http.SendAsync(request);
        answer.Headers.TryGetValues("Tallylight-Reason", out var reasons);
        return new { status = (int)answer.StatusCode, reason = reasons?.First(), body = await answer.Content.ReadAsStringAsync() };
    }

    /// <summary>Sent in chunks as they come.</summary>
    private sealed class GrowingContent(ChannelReader<byte[]> chunks) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await foreach (var chunk in chunks.ReadAllAsync())
            {
                await stream.WriteAsync(chunk);
                await stream.FlushAsync();
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
