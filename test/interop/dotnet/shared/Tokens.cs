using System.Collections.Concurrent;
using System.Text.Json;

namespace Tallylight.Interop;

/// <summary>Client credentials at a token endpoint, kept for each tenant and scope.</summary>
public sealed class Tokens(string origin, string app, string secret, string scope)
{
    private static readonly HttpClient Http = new();
    private readonly ConcurrentDictionary<string, Task<string>> issued = new();

    public Task<string> ForAsync(string tenant) => issued.GetOrAdd(tenant, FetchAsync);

    private async Task<string> FetchAsync(string tenant)
    {
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["client_id"] = app,
            ["client_secret"] = secret,
            ["scope"] = scope,
        });
        using var answer = await Http.PostAsync($"{origin}/{tenant}/oauth2/v2.0/token", form);
        answer.EnsureSuccessStatusCode();
        using var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        return json.RootElement.GetProperty("access_token").GetString()!;
    }
}
