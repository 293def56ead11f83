<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="zh_TW" sourcelanguage="en">
<context>
    <name>AcknowledgementsDialog</name>
    <message>
        <source>Acknowledgements</source>
        <translation>致謝</translation>
    </message>
    <message>
        <source>Components</source>
        <translation>元件</translation>
    </message>
    <message>
        <source>Licence</source>
        <translation>授權條款</translation>
    </message>
    <message>
        <source>Loading…</source>
        <translation>正在載入…</translation>
    </message>
    <message>
        <source>Search names and licences</source>
        <translation>搜尋名稱與授權條款</translation>
    </message>
</context>
<context>
    <name>AdvancedPage</name>
    <message>
        <source>All settings were reset</source>
        <translation>已重置所有設定</translation>
    </message>
    <message>
        <source>Cache:</source>
        <translation>快取：</translation>
    </message>
    <message>
        <source>Clear</source>
        <translation>清除</translation>
    </message>
    <message>
        <source>Copy Report</source>
        <translation>拷貝報告</translation>
    </message>
    <message>
        <source>Data:</source>
        <translation>資料：</translation>
    </message>
    <message>
        <source>Intermediate results of your sources, so that another take is quick.</source>
        <translation>轉換來源時的中間結果，讓下一個版本更快完成。</translation>
    </message>
    <message>
        <source>Problems:</source>
        <translation>問題：</translation>
    </message>
    <message>
        <source>Queue, settings and voices. Deleting it resets the app.</source>
        <translation>佇列、設定與聲音。刪除後會重置 App。</translation>
    </message>
    <message>
        <source>Queue, voices and results are kept.</source>
        <translation>佇列、聲音與結果會保留。</translation>
    </message>
    <message>
        <source>Reset</source>
        <translation>重置</translation>
    </message>
    <message>
        <source>Reset All Settings…</source>
        <translation>重設所有設定…</translation>
    </message>
    <message>
        <source>Reset all settings?</source>
        <translation>要重設所有設定嗎？</translation>
    </message>
    <message>
        <source>Settings:</source>
        <translation>設定：</translation>
    </message>
    <message>
        <source>Show Data Folder</source>
        <translation>顯示資料檔案夾</translation>
    </message>
    <message>
        <source>Show Logs</source>
        <translation>顯示記錄檔</translation>
    </message>
    <message>
        <source>The report is in the clipboard</source>
        <translation>報告已拷貝到剪貼板</translation>
    </message>
    <message>
        <source>The settings last used with each voice are reset too.</source>
        <translation>每個聲音上次使用的設定也會重置。</translation>
    </message>
    <message>
        <source>Versions and errors, without the names of your folders; nothing is sent.</source>
        <translation>版本與錯誤，不含您的檔案夾名稱；不會傳送任何資料。</translation>
    </message>
    <message>
        <source>empty</source>
        <translation>空的</translation>
    </message>
</context>
<context>
    <name>App</name>
    <message>
        <source>An internal error occurred; your queue is safe. Please send the report.</source>
        <translation>發生內部錯誤；您的佇列沒有損失。請傳送報告。</translation>
    </message>
    <message>
        <source>Copy Report</source>
        <translation>拷貝報告</translation>
    </message>
    <message>
        <source>It does not answer. Quit it (Force Quit in the Apple menu) and start again.</source>
        <translation>它沒有回應。請結束它（蘋果選單中的「強制結束」），然後重新啟動。</translation>
    </message>
    <message>
        <source>Open Settings</source>
        <translation>打開設定</translation>
    </message>
    <message>
        <source>Quit</source>
        <translation>結束</translation>
    </message>
    <message>
        <source>Quit while converting?</source>
        <translation>還在轉換，要結束嗎？</translation>
    </message>
    <message>
        <source>This machine was tuned before {change}; the results are no longer used. Tune again in the settings.</source>
        <translation>這部電腦是在{change}之前調校的；結果不再使用。請在設定中重新調校。</translation>
    </message>
    <message>
        <source>Ultimate RVC is already running</source>
        <translation>Ultimate RVC 已在執行</translation>
    </message>
    <message>
        <source>Unfinished conversions are offered again at the next start.</source>
        <translation>未完成的轉換會在下次啟動時再次提供。</translation>
    </message>
</context>
<context>
    <name>AuditionSwitch</name>
    <message>
        <source>Audition</source>
        <translation>預聽</translation>
    </message>
    <message>
        <source>Possible once nothing is being converted</source>
        <translation>沒有檔案在轉換時才能預聽</translation>
    </message>
    <message>
        <source>Stop Audition</source>
        <translation>停止預聽</translation>
    </message>
</context>
<context>
    <name>CoverMixer</name>
    <message>
        <source>Change the levels of the parts of this cover, live</source>
        <translation>即時調整這首翻唱各部分的音量</translation>
    </message>
    <message>
        <source>Heard live; another take has these levels.</source>
        <translation>即時試聽；另一個版本已有這些音量。</translation>
    </message>
    <message>
        <source>Heard live; the file stays as it is until you save.</source>
        <translation>即時試聽；儲存前檔案不會改變。</translation>
    </message>
    <message>
        <source>Looking for the parts of this cover…</source>
        <translation>正在尋找這首翻唱的各部分…</translation>
    </message>
    <message>
        <source>Mixer</source>
        <translation>混音器</translation>
    </message>
    <message>
        <source>Reset</source>
        <translation>重設</translation>
    </message>
    <message>
        <source>Save Mix</source>
        <translation>儲存混音</translation>
    </message>
    <message>
        <source>The parts of this cover were deleted from the cache; convert the song again to mix it.</source>
        <translation>這首翻唱的各部分已從快取中刪除；若要混音，請重新轉換這首歌。</translation>
    </message>
    <message>
        <source>These are the levels of this take.</source>
        <translation>這是此版本的音量。</translation>
    </message>
    <message>
        <source>Write these levels as another take, without converting</source>
        <translation>以這些音量存成另一個版本，不需重新轉換</translation>
    </message>
</context>
<context>
    <name>DetailPanel</name>
    <message>
        <source>Copy Report</source>
        <translation>拷貝報告</translation>
    </message>
    <message>
        <source>Copy Timings</source>
        <translation>拷貝時間資料</translation>
    </message>
    <message>
        <source>No file selected</source>
        <translation>未選取檔案</translation>
    </message>
    <message>
        <source>Show or hide the timings</source>
        <translation>顯示或隱藏各階段時間</translation>
    </message>
    <message>
        <source>Timings</source>
        <translation>各階段時間</translation>
    </message>
    <message>
        <source>{count} files selected</source>
        <translation>已選取 {count} 個檔案</translation>
    </message>
    <message>
        <source>{count} files selected – {name}</source>
        <translation>已選取 {count} 個檔案 – {name}</translation>
    </message>
</context>
<context>
    <name>DownloadCard</name>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Installed</source>
        <translation>已安裝</translation>
    </message>
    <message>
        <source>Not installed</source>
        <translation>未安裝</translation>
    </message>
    <message>
        <source>{done} of {total}</source>
        <translation>{done}／{total}</translation>
    </message>
</context>
<context>
    <name>DropOverlay</name>
    <message>
        <source>As a voice alone, without music</source>
        <translation>當作沒有音樂的人聲</translation>
    </message>
    <message>
        <source>As a whole song: its voice is converted and mixed back</source>
        <translation>當作整首歌曲：轉換其中的人聲後再混回去</translation>
    </message>
    <message>
        <source>As the vocals of a song</source>
        <translation>當作歌曲的人聲</translation>
    </message>
    <message>
        <source>Convert All with {voice}</source>
        <translation>全部以「{voice}」轉換</translation>
    </message>
    <message>
        <source>Convert with {voice}</source>
        <translation>以「{voice}」轉換</translation>
    </message>
    <message>
        <source>Convert {count} Files with {voice}</source>
        <translation>以「{voice}」轉換 {count} 個檔案</translation>
    </message>
    <message>
        <source>Install Voice</source>
        <translation>安裝聲音模型</translation>
    </message>
    <message>
        <source>Install Voices</source>
        <translation>安裝聲音模型</translation>
    </message>
    <message>
        <source>No audio found</source>
        <translation>找不到音訊</translation>
    </message>
    <message>
        <source>Show What This Link Offers</source>
        <translation>顯示此連結提供的內容</translation>
    </message>
</context>
<context>
    <name>EmptyPage</name>
    <message>
        <source>Choose Files…</source>
        <translation>選擇檔案⋯</translation>
    </message>
    <message>
        <source>Drop songs, recordings or videos here</source>
        <translation>將歌曲、錄音或影片拖到這裡</translation>
    </message>
    <message>
        <source>Folders too. A voice (.pth, .index, .zip or link) is installed when dropped.</source>
        <translation>也可以拖入檔案夾。拖入聲音模型（.pth、.index、.zip 或連結）即可安裝。</translation>
    </message>
    <message>
        <source>Six seconds of speech that come with the app</source>
        <translation>App 內附的六秒語音</translation>
    </message>
    <message>
        <source>Try the Sample</source>
        <translation>試用範例</translation>
    </message>
</context>
<context>
    <name>JobTable</name>
    <message>
        <source>Elapsed</source>
        <translation>已用時間</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>名稱</translation>
    </message>
    <message>
        <source>Remaining</source>
        <translation>剩餘時間</translation>
    </message>
    <message>
        <source>Speed</source>
        <translation>速度</translation>
    </message>
    <message>
        <source>State</source>
        <translation>狀態</translation>
    </message>
    <message>
        <source>Voice</source>
        <translation>聲音</translation>
    </message>
</context>
<context>
    <name>KeySuggestion</name>
    <message>
        <source>Above: the source. Below: the voice; drag its dot to where it sounds best.</source>
        <translation>上方：來源。下方：聲音；將它的圓點拖到最好聽的位置。</translation>
    </message>
    <message>
        <source>Find the Best Key</source>
        <translation>找出最合適的移調</translation>
    </message>
    <message>
        <source>Finding the pitch…</source>
        <translation>正在尋找音高⋯</translation>
    </message>
    <message>
        <source>For songs: whole octaves stay in tune with the accompaniment</source>
        <translation>適用於歌曲：整個八度能與伴奏合調</translation>
    </message>
    <message>
        <source>High Voice</source>
        <translation>高音聲音</translation>
    </message>
    <message>
        <source>In Octaves: {semitones}</source>
        <translation>以八度：{semitones}</translation>
    </message>
    <message>
        <source>Is {voice} a low or a high voice?</source>
        <translation>「{voice}」是低音還是高音的聲音？</translation>
    </message>
    <message>
        <source>Low Voice</source>
        <translation>低音聲音</translation>
    </message>
    <message>
        <source>Ranges of the source and of the voice</source>
        <translation>來源與聲音的音域</translation>
    </message>
    <message>
        <source>Select a file in the list</source>
        <translation>在列表中選取檔案</translation>
    </message>
    <message>
        <source>Source ≈ {source} Hz, voice ≈ {voice} Hz</source>
        <translation>來源 ≈ {source} Hz，聲音 ≈ {voice} Hz</translation>
    </message>
    <message>
        <source>The file has too little clear pitch for a suggestion</source>
        <translation>檔案中清楚的音高太少，無法建議</translation>
    </message>
    <message>
        <source>The pitch of this file cannot be found</source>
        <translation>找不到這個檔案的音高</translation>
    </message>
    <message>
        <source>This voice was trained without pitch</source>
        <translation>這個聲音訓練時未使用音高</translation>
    </message>
    <message>
        <source>Use {semitones}</source>
        <translation>使用 {semitones}</translation>
    </message>
</context>
<context>
    <name>LaneList</name>
    <message>
        <source>Shown part of the sound</source>
        <translation>目前顯示的聲音範圍</translation>
    </message>
</context>
<context>
    <name>LaneRow</name>
    <message>
        <source>Played at this level, to match the others</source>
        <translation>以此音量播放，與其他版本一致</translation>
    </message>
</context>
<context>
    <name>LinkDialog</name>
    <message>
        <source>Address of a .zip or .pth, or of a Hugging Face page</source>
        <translation>.zip、.pth 或 Hugging Face 頁面的網址</translation>
    </message>
    <message>
        <source>Asking {host}…</source>
        <translation>正在詢問 {host}⋯</translation>
    </message>
    <message>
        <source>Download</source>
        <translation>下載</translation>
    </message>
    <message>
        <source>Downloading {title}…</source>
        <translation>正在下載 {title}⋯</translation>
    </message>
    <message>
        <source>Files</source>
        <translation>檔案</translation>
    </message>
    <message>
        <source>From {host}. Nothing has been downloaded yet.</source>
        <translation>來自 {host}。尚未下載任何東西。</translation>
    </message>
    <message>
        <source>Installing…</source>
        <translation>正在安裝⋯</translation>
    </message>
    <message>
        <source>Link</source>
        <translation>連結</translation>
    </message>
    <message>
        <source>Lists names and sizes; downloads nothing</source>
        <translation>列出名稱與大小；不會下載任何內容</translation>
    </message>
    <message>
        <source>Look</source>
        <translation>查看</translation>
    </message>
    <message>
        <source>Names and sizes are shown before anything is downloaded.</source>
        <translation>下載任何內容之前會先顯示名稱與大小。</translation>
    </message>
    <message>
        <source>Progress</source>
        <translation>進度</translation>
    </message>
    <message>
        <source>Search</source>
        <translation>搜尋</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>大小</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Stopped. Download again to continue.</source>
        <translation>已停止。再次下載即可繼續。</translation>
    </message>
    <message>
        <source>Voice</source>
        <translation>聲音模型</translation>
    </message>
    <message>
        <source>Voice from a Link</source>
        <translation>從連結加入聲音模型</translation>
    </message>
    <message>
        <source>Voices at this link</source>
        <translation>此連結中的聲音</translation>
    </message>
    <message>
        <source>unknown</source>
        <translation>未知</translation>
    </message>
    <message>
        <source>{count} voices at {host}. Choose one; nothing is downloaded yet.</source>
        <translation>{host} 上有 {count} 個聲音模型。請選一個；尚未下載任何東西。</translation>
    </message>
    <message>
        <source>{done} downloaded</source>
        <translation>已下載 {done}</translation>
    </message>
    <message>
        <source>{done} of {total}</source>
        <translation>{done}／{total}</translation>
    </message>
</context>
<context>
    <name>ListenFoot</name>
    <message>
        <source>Position and length</source>
        <translation>位置與長度</translation>
    </message>
    <message>
        <source>Volume</source>
        <translation>音量</translation>
    </message>
    <message>
        <source>Volume of the player; files stay as they are</source>
        <translation>播放器的音量；不影響檔案</translation>
    </message>
    <message>
        <source>Zoom in</source>
        <translation>放大</translation>
    </message>
    <message>
        <source>Zoom out</source>
        <translation>縮小</translation>
    </message>
</context>
<context>
    <name>ListenPanel</name>
    <message>
        <source>Audition {start}–{stop}, looped</source>
        <translation>預聽 {start}–{stop}，循環播放</translation>
    </message>
    <message>
        <source>Audition {start}–{stop}: converting…</source>
        <translation>預聽 {start}–{stop}：正在轉換⋯</translation>
    </message>
    <message>
        <source>Listen</source>
        <translation>試聽</translation>
    </message>
    <message>
        <source>Loop {start}–{stop}</source>
        <translation>循環 {start}–{stop}</translation>
    </message>
    <message>
        <source>No result</source>
        <translation>沒有結果</translation>
    </message>
    <message>
        <source>No sound</source>
        <translation>沒有聲音</translation>
    </message>
    <message>
        <source>Pause</source>
        <translation>暫停</translation>
    </message>
    <message>
        <source>Pitch line</source>
        <translation>音高曲線</translation>
    </message>
    <message>
        <source>Play</source>
        <translation>播放</translation>
    </message>
    <message>
        <source>Reading the sound…</source>
        <translation>正在讀取聲音⋯</translation>
    </message>
    <message>
        <source>Select a file in the list to listen to it</source>
        <translation>在列表中選取檔案即可試聽</translation>
    </message>
    <message>
        <source>Show source and result as lines over a piano, and correct them</source>
        <translation>在鋼琴捲軸上以曲線顯示來源與結果，並可修正</translation>
    </message>
    <message>
        <source>The result will appear here</source>
        <translation>結果會顯示在這裡</translation>
    </message>
    <message>
        <source>{action} (Space)</source>
        <translation>{action}（空白鍵）</translation>
    </message>
</context>
<context>
    <name>MainLayout</name>
    <message>
        <source>About {time} left for all files</source>
        <translation>所有檔案大約還需 {time}</translation>
    </message>
    <message>
        <source>Another take of the selected files; the others stay</source>
        <translation>為選取的檔案再製作一個版本；其他版本會保留</translation>
    </message>
    <message>
        <source>Audition</source>
        <translation>預聽</translation>
    </message>
    <message>
        <source>Convert with These Settings</source>
        <translation>以這些設定轉換</translation>
    </message>
    <message>
        <source>Hear ten seconds of the selected file with these settings; drag in a waveform for another part</source>
        <translation>以這些設定試聽所選檔案的十秒；在波形上拖曳可選其他部分</translation>
    </message>
    <message>
        <source>{count} cancelled</source>
        <translation>{count} 個已取消</translation>
    </message>
    <message>
        <source>{count} converting</source>
        <translation>{count} 個轉換中</translation>
    </message>
    <message>
        <source>{count} failed</source>
        <translation>{count} 個失敗</translation>
    </message>
    <message>
        <source>{count} finished</source>
        <translation>{count} 個已完成</translation>
    </message>
    <message>
        <source>{count} not finished</source>
        <translation>{count} 個未完成</translation>
    </message>
    <message>
        <source>{count} waiting</source>
        <translation>{count} 個等待中</translation>
    </message>
    <message>
        <source>{count} waiting for a download</source>
        <translation>{count} 個等待下載</translation>
    </message>
    <message>
        <source>{time} left</source>
        <translation>剩餘 {time}</translation>
    </message>
    <message>
        <source>{time} left for this file</source>
        <translation>這個檔案剩餘 {time}</translation>
    </message>
</context>
<context>
    <name>MainWindow</name>
    <message>
        <source>About Ultimate RVC</source>
        <translation>關於 Ultimate RVC</translation>
    </message>
    <message>
        <source>Acknowledgements…</source>
        <translation>致謝…</translation>
    </message>
    <message>
        <source>Add Voice</source>
        <translation>加入聲音模型</translation>
    </message>
    <message>
        <source>All files</source>
        <translation>所有檔案</translation>
    </message>
    <message>
        <source>Continue</source>
        <translation>繼續</translation>
    </message>
    <message>
        <source>Convert</source>
        <translation>轉換</translation>
    </message>
    <message>
        <source>One conversion was not finished when the app quit</source>
        <translation>App 結束時有一個轉換未完成</translation>
    </message>
    <message>
        <source>Playback</source>
        <translation>播放</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>移除</translation>
    </message>
    <message>
        <source>Skipped: {why}.</source>
        <translation>已略過：{why}。</translation>
    </message>
    <message>
        <source>Sound and video</source>
        <translation>聲音與影片</translation>
    </message>
    <message>
        <source>The clipboard contains no file or link</source>
        <translation>剪貼板中沒有檔案或連結</translation>
    </message>
    <message>
        <source>The report is in the clipboard</source>
        <translation>報告已拷貝到剪貼板</translation>
    </message>
    <message>
        <source>The result is no longer where it was written</source>
        <translation>結果已不在原來寫入的位置</translation>
    </message>
    <message>
        <source>Voices</source>
        <translation>聲音</translation>
    </message>
    <message>
        <source>{count} conversions were not finished when the app quit</source>
        <translation>App 結束時有 {count} 個轉換未完成</translation>
    </message>
    <message>
        <source>{take} gets this mix</source>
        <translation>{take}將以此混音儲存</translation>
    </message>
    <message>
        <source>“{name}” is installed and chosen</source>
        <translation>「{name}」已安裝並選用</translation>
    </message>
</context>
<context>
    <name>MenuBar</name>
    <message>
        <source>Cancel All</source>
        <translation>全部取消</translation>
    </message>
    <message>
        <source>Cancel “{name}”</source>
        <translation>取消「{name}」</translation>
    </message>
    <message>
        <source>Converting “{name}”: {percent} %</source>
        <translation>正在轉換「{name}」：{percent}%</translation>
    </message>
    <message>
        <source>Finished</source>
        <translation>已完成</translation>
    </message>
    <message>
        <source>Not converted</source>
        <translation>未轉換</translation>
    </message>
    <message>
        <source>Open Ultimate RVC</source>
        <translation>打開 Ultimate RVC</translation>
    </message>
    <message>
        <source>Quick Convert</source>
        <translation>快速轉換</translation>
    </message>
    <message>
        <source>Quick Convert from Clipboard</source>
        <translation>快速轉換剪貼板中的檔案</translation>
    </message>
    <message>
        <source>Quick Convert…</source>
        <translation>快速轉換⋯</translation>
    </message>
    <message>
        <source>Quit Ultimate RVC</source>
        <translation>結束 Ultimate RVC</translation>
    </message>
    <message>
        <source>Recent Results</source>
        <translation>最近的結果</translation>
    </message>
    <message>
        <source>Settings…</source>
        <translation>設定⋯</translation>
    </message>
    <message>
        <source>Voice: {name}</source>
        <translation>聲音：{name}</translation>
    </message>
    <message>
        <source>Waiting: {n}</source>
        <translation>等待中：{n} 個</translation>
    </message>
    <message>
        <source>{name}: click to show it</source>
        <translation>{name}：點按以顯示</translation>
    </message>
</context>
<context>
    <name>MixStrip</name>
    <message>
        <source>Hear only {part}</source>
        <translation>只聽{part}</translation>
    </message>
    <message>
        <source>Level of {part}</source>
        <translation>{part}的音量</translation>
    </message>
    <message>
        <source>M</source>
        <translation>靜</translation>
    </message>
    <message>
        <source>Mute {part}</source>
        <translation>將{part}靜音</translation>
    </message>
    <message>
        <source>S</source>
        <translation>獨</translation>
    </message>
    <message>
        <source>silent</source>
        <translation>無聲</translation>
    </message>
</context>
<context>
    <name>MlxCard</name>
    <message>
        <source>Cancelled; nothing was installed.</source>
        <translation>已取消；沒有安裝任何東西。</translation>
    </message>
    <message>
        <source>Download</source>
        <translation>下載</translation>
    </message>
    <message>
        <source>Downloading…</source>
        <translation>正在下載⋯</translation>
    </message>
    <message>
        <source>Installed. Tune for This Mac to find out whether it is faster here.</source>
        <translation>已安裝。請執行「為這部 Mac 調校」，看看在這裡是否較快。</translation>
    </message>
    <message>
        <source>May convert faster than PyTorch. “Tune for This Mac” tries it, and uses it only if it is faster here and sounds the same.</source>
        <translation>轉換可能比 PyTorch 快。「為這部 Mac 調校」會試用它，只有在這裡較快且聲音相同時才採用。</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>移除</translation>
    </message>
    <message>
        <source>Removing…</source>
        <translation>正在移除⋯</translation>
    </message>
    <message>
        <source>{smallest} to {largest}, by macOS · licence {licence}</source>
        <translation>{smallest} 至 {largest}，依 macOS 版本而定 · 授權 {licence}</translation>
    </message>
</context>
<context>
    <name>ModelsPage</name>
    <message>
        <source>Community voices need these networks. They are downloaded only when you ask; the starter voice works without them.</source>
        <translation>社群的聲音模型需要這些網路模型。只有在您要求時才會下載；內附的聲音不需要它們。</translation>
    </message>
</context>
<context>
    <name>NeedsPanel</name>
    <message>
        <source>Download</source>
        <translation>下載</translation>
    </message>
    <message>
        <source>Download {size}</source>
        <translation>下載 {size}</translation>
    </message>
    <message>
        <source>Separating this song needs networks that aren't installed yet. They are downloaded once, for all songs; then this file is converted by itself.</source>
        <translation>分離這首歌曲需要尚未安裝的網路模型。只需下載一次，適用於所有歌曲；之後會自動轉換這個檔案。</translation>
    </message>
    <message>
        <source>Stop Download</source>
        <translation>停止下載</translation>
    </message>
    <message>
        <source>Use Files You Have…</source>
        <translation>使用現有檔案⋯</translation>
    </message>
    <message>
        <source>{network} · {size} · licence {licence}</source>
        <translation>{network} · {size} · 授權 {licence}</translation>
    </message>
    <message>
        <source>“{voice}” needs networks that aren't installed yet. They are downloaded once, for all voices; then this file is converted by itself.</source>
        <translation>「{voice}」需要尚未安裝的網路模型。只需下載一次，適用於所有聲音；之後會自動轉換這個檔案。</translation>
    </message>
</context>
<context>
    <name>NetworkCard</name>
    <message>
        <source>A file is missing; download it again.</source>
        <translation>缺少檔案；請重新下載。</translation>
    </message>
    <message>
        <source>Cancelled; a download continues where it stopped.</source>
        <translation>已取消；下次會從中斷處繼續下載。</translation>
    </message>
    <message>
        <source>Check</source>
        <translation>檢查</translation>
    </message>
    <message>
        <source>Checked: the file is correct.</source>
        <translation>已檢查：檔案正確。</translation>
    </message>
    <message>
        <source>Checking…</source>
        <translation>正在檢查⋯</translation>
    </message>
    <message>
        <source>Choose {name}</source>
        <translation>選擇 {name}</translation>
    </message>
    <message>
        <source>Download</source>
        <translation>下載</translation>
    </message>
    <message>
        <source>Downloading…</source>
        <translation>正在下載⋯</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>移除</translation>
    </message>
    <message>
        <source>Removing…</source>
        <translation>正在移除⋯</translation>
    </message>
    <message>
        <source>The file is damaged; remove it and download it again.</source>
        <translation>檔案已損壞；請移除後重新下載。</translation>
    </message>
    <message>
        <source>Use a File…</source>
        <translation>使用現有檔案⋯</translation>
    </message>
    <message>
        <source>{size} · licence {licence} · from {source}</source>
        <translation>{size} · 授權 {licence} · 來源 {source}</translation>
    </message>
</context>
<context>
    <name>OptimizationPage</name>
    <message>
        <source>Apple silicon (Metal)</source>
        <translation>Apple 晶片（Metal）</translation>
    </message>
    <message>
        <source>Best for this machine</source>
        <translation>最適合這部電腦</translation>
    </message>
    <message>
        <source>CPU only</source>
        <translation>僅使用 CPU</translation>
    </message>
    <message>
        <source>Everything off</source>
        <translation>全部關閉</translation>
    </message>
    <message>
        <source>How the engine works on this machine. Changes apply to the next conversion; the sound stays the same unless the help says otherwise.</source>
        <translation>轉換引擎在這部電腦上的運作方式。變更會套用到下一次轉換；除非另有說明，聲音不會改變。</translation>
    </message>
    <message>
        <source>Measured before: {gain}</source>
        <translation>先前量測：{gain}</translation>
    </message>
    <message>
        <source>Measured: {gain}</source>
        <translation>量測結果：{gain}</translation>
    </message>
    <message>
        <source>NVIDIA GPU (CUDA)</source>
        <translation>NVIDIA GPU（CUDA）</translation>
    </message>
    <message>
        <source>Presets</source>
        <translation>預設組合</translation>
    </message>
</context>
<context>
    <name>PathEditor</name>
    <message>
        <source>Choose…</source>
        <translation>選擇⋯</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>移除</translation>
    </message>
</context>
<context>
    <name>PitchPanel</name>
    <message>
        <source>Back to the pitch that was found</source>
        <translation>回復為找到的音高</translation>
    </message>
    <message>
        <source>Breath or noise: without a pitch</source>
        <translation>氣音或雜訊：沒有音高</translation>
    </message>
    <message>
        <source>Convert with This Line</source>
        <translation>以此曲線轉換</translation>
    </message>
    <message>
        <source>Drag to select, then drag up or down by octaves; + and − zoom</source>
        <translation>拖移以選取，再上下拖移以移動八度；按 + 和 − 縮放</translation>
    </message>
    <message>
        <source>Edited</source>
        <translation>已編輯</translation>
    </message>
    <message>
        <source>Finding the pitch…</source>
        <translation>正在尋找音高⋯</translation>
    </message>
    <message>
        <source>Not followed</source>
        <translation>未跟隨</translation>
    </message>
    <message>
        <source>Octave Down</source>
        <translation>降八度</translation>
    </message>
    <message>
        <source>Octave Up</source>
        <translation>升八度</translation>
    </message>
    <message>
        <source>Pitch of source and result</source>
        <translation>來源與結果的音高</translation>
    </message>
    <message>
        <source>Restore</source>
        <translation>回復</translation>
    </message>
    <message>
        <source>Result</source>
        <translation>結果</translation>
    </message>
    <message>
        <source>Select a stretch with Shift and the arrow keys; Up and Down move it by an octave, Delete makes it unvoiced.</source>
        <translation>用 Shift 鍵和左右方向鍵選取一段；上下方向鍵移動一個八度，Delete 鍵設為無音高。</translation>
    </message>
    <message>
        <source>Source</source>
        <translation>原聲</translation>
    </message>
    <message>
        <source>Uncertain</source>
        <translation>不確定</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>還原</translation>
    </message>
    <message>
        <source>Unvoiced</source>
        <translation>無音高</translation>
    </message>
</context>
<context>
    <name>PlaybackMenu</name>
    <message>
        <source>Decrease Volume</source>
        <translation>降低音量</translation>
    </message>
    <message>
        <source>End Loop</source>
        <translation>結束循環</translation>
    </message>
    <message>
        <source>Five Seconds Back</source>
        <translation>後退五秒</translation>
    </message>
    <message>
        <source>Five Seconds Forth</source>
        <translation>前進五秒</translation>
    </message>
    <message>
        <source>Hear Lane Above</source>
        <translation>聆聽上方音軌</translation>
    </message>
    <message>
        <source>Hear Lane Before</source>
        <translation>聆聽先前的音軌</translation>
    </message>
    <message>
        <source>Hear Lane Below</source>
        <translation>聆聽下方音軌</translation>
    </message>
    <message>
        <source>Increase Volume</source>
        <translation>提高音量</translation>
    </message>
    <message>
        <source>Loop from Here</source>
        <translation>從此處開始循環</translation>
    </message>
    <message>
        <source>Loop to Here</source>
        <translation>循環到此處</translation>
    </message>
    <message>
        <source>Pause</source>
        <translation>暫停</translation>
    </message>
    <message>
        <source>Play</source>
        <translation>播放</translation>
    </message>
    <message>
        <source>Show Whole Sound</source>
        <translation>顯示整段聲音</translation>
    </message>
    <message>
        <source>Zoom In</source>
        <translation>放大</translation>
    </message>
    <message>
        <source>Zoom Out</source>
        <translation>縮小</translation>
    </message>
</context>
<context>
    <name>PresetMenu</name>
    <message>
        <source>Delete</source>
        <translation>刪除</translation>
    </message>
    <message>
        <source>Delete the preset “{name}”?</source>
        <translation>要刪除預設組合「{name}」嗎？</translation>
    </message>
    <message>
        <source>Delete “{name}”…</source>
        <translation>刪除「{name}」⋯</translation>
    </message>
    <message>
        <source>Export Preset</source>
        <translation>輸出預設組合</translation>
    </message>
    <message>
        <source>Export “{name}”…</source>
        <translation>輸出「{name}」⋯</translation>
    </message>
    <message>
        <source>Import Preset</source>
        <translation>輸入預設組合</translation>
    </message>
    <message>
        <source>Import…</source>
        <translation>輸入⋯</translation>
    </message>
    <message>
        <source>Its settings are lost.</source>
        <translation>它的設定會遺失。</translation>
    </message>
    <message>
        <source>Name of the preset:</source>
        <translation>預設組合的名稱：</translation>
    </message>
    <message>
        <source>None</source>
        <translation>無</translation>
    </message>
    <message>
        <source>Preset</source>
        <translation>預設組合</translation>
    </message>
    <message>
        <source>Preset: {name}</source>
        <translation>預設組合：{name}</translation>
    </message>
    <message>
        <source>Presets</source>
        <translation>預設組合</translation>
    </message>
    <message>
        <source>Replace</source>
        <translation>取代</translation>
    </message>
    <message>
        <source>Replace the preset “{name}”?</source>
        <translation>要取代預設組合「{name}」嗎？</translation>
    </message>
    <message>
        <source>Save as Preset</source>
        <translation>儲存為預設組合</translation>
    </message>
    <message>
        <source>Save as Preset…</source>
        <translation>儲存為預設組合⋯</translation>
    </message>
    <message>
        <source>The settings in the panel stay as they are.</source>
        <translation>面板中的設定不會改變。</translation>
    </message>
    <message>
        <source>{preset} (changed)</source>
        <translation>{preset}（已更改）</translation>
    </message>
</context>
<context>
    <name>QueueCell</name>
    <message>
        <source>Download</source>
        <translation>下載</translation>
    </message>
</context>
<context>
    <name>QueueView</name>
    <message>
        <source>Queue</source>
        <translation>佇列</translation>
    </message>
</context>
<context>
    <name>RowButtons</name>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Convert Again</source>
        <translation>重新轉換</translation>
    </message>
    <message>
        <source>Download</source>
        <translation>下載</translation>
    </message>
    <message>
        <source>Play Result</source>
        <translation>播放結果</translation>
    </message>
    <message>
        <source>Remove Star</source>
        <translation>移除星號</translation>
    </message>
    <message>
        <source>Remove from Queue</source>
        <translation>從佇列移除</translation>
    </message>
    <message>
        <source>Show in Finder</source>
        <translation>在 Finder 中顯示</translation>
    </message>
    <message>
        <source>Star</source>
        <translation>加上星號</translation>
    </message>
    <message>
        <source>Stop Download</source>
        <translation>停止下載</translation>
    </message>
</context>
<context>
    <name>SettingRow</name>
    <message>
        <source>Set by the environment variable {name}.</source>
        <translation>由環境變數 {name} 設定。</translation>
    </message>
</context>
<context>
    <name>SettingsWindow</name>
    <message>
        <source>Advanced</source>
        <translation>進階</translation>
    </message>
    <message>
        <source>General</source>
        <translation>一般</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Optimization</source>
        <translation>最佳化</translation>
    </message>
    <message>
        <source>Panes</source>
        <translation>面板</translation>
    </message>
    <message>
        <source>Voices</source>
        <translation>聲音</translation>
    </message>
</context>
<context>
    <name>SongControls</name>
    <message>
        <source>A voice</source>
        <translation>人聲</translation>
    </message>
    <message>
        <source>A whole song</source>
        <translation>整首歌曲</translation>
    </message>
    <message>
        <source>Its voice is taken out, converted and mixed back.</source>
        <translation>會取出其中的人聲，轉換後再混回去。</translation>
    </message>
    <message>
        <source>Mix</source>
        <translation>混音</translation>
    </message>
    <message>
        <source>Only a voice is heard in it.</source>
        <translation>其中只有人聲。</translation>
    </message>
    <message>
        <source>Sung by</source>
        <translation>演唱者</translation>
    </message>
    <message>
        <source>The file is</source>
        <translation>檔案內容</translation>
    </message>
    <message>
        <source>The same voice</source>
        <translation>相同的聲音</translation>
    </message>
    <message>
        <source>The voice of the converted backing voices.</source>
        <translation>轉換後和聲所用的聲音。</translation>
    </message>
    <message>
        <source>They are mixed with an instrumental of your own.</source>
        <translation>會與您自備的伴奏混音。</translation>
    </message>
    <message>
        <source>Vocals of a song</source>
        <translation>歌曲的人聲</translation>
    </message>
</context>
<context>
    <name>TablePage</name>
    <message>
        <source>Restore Defaults</source>
        <translation>回復預設值</translation>
    </message>
    <message>
        <source>{name}:</source>
        <translation>{name}：</translation>
    </message>
</context>
<context>
    <name>TakeExport</name>
    <message>
        <source>Export</source>
        <translation>匯出</translation>
    </message>
    <message>
        <source>Exported as “{name}”</source>
        <translation>已匯出為「{name}」</translation>
    </message>
</context>
<context>
    <name>TimingView</name>
    <message>
        <source>Stage timings</source>
        <translation>各階段時間</translation>
    </message>
</context>
<context>
    <name>TuningPanel</name>
    <message>
        <source>A conversion is running or waiting and would distort the measurement. Tune when the queue is done.</source>
        <translation>有轉換正在執行或等待，會影響測量。請在佇列完成後調校。</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Cancelled; nothing was changed.</source>
        <translation>已取消，未做任何變更。</translation>
    </message>
    <message>
        <source>Not measured yet: the usual settings are in use. Tuning takes a few minutes and can be cancelled.</source>
        <translation>尚未測量：目前使用一般設定。調校需要幾分鐘，並可取消。</translation>
    </message>
    <message>
        <source>Out of date: measured before {change}, so it is no longer used. Tune again.</source>
        <translation>已過期：測量於{change}之前，因此不再使用。請重新調校。</translation>
    </message>
    <message>
        <source>Progress of the measurement</source>
        <translation>量測進度</translation>
    </message>
    <message>
        <source>Stopped because a conversion started; nothing was changed.</source>
        <translation>因轉換開始而停止；沒有任何更改。</translation>
    </message>
    <message>
        <source>Tune for This Computer</source>
        <translation>為這台電腦調校</translation>
    </message>
    <message>
        <source>Tune for This Mac</source>
        <translation>為這部 Mac 調校</translation>
    </message>
</context>
<context>
    <name>VoiceCard</name>
    <message>
        <source>Embedder</source>
        <translation>內容編碼器</translation>
    </message>
    <message>
        <source>Epochs</source>
        <translation>訓練輪數</translation>
    </message>
    <message>
        <source>For trying the app out: it is small and was made from synthetic speech. Import voices of your own for real work.</source>
        <translation>供試用 App：它很小，而且是以合成語音製作的。正式使用時請輸入您自己的聲音。</translation>
    </message>
    <message>
        <source>Index</source>
        <translation>索引</translation>
    </message>
    <message>
        <source>Index…</source>
        <translation>索引⋯</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Move to Trash</source>
        <translation>丟到垃圾桶</translation>
    </message>
    <message>
        <source>Name of the voice</source>
        <translation>聲音名稱</translation>
    </message>
    <message>
        <source>Picture…</source>
        <translation>圖片⋯</translation>
    </message>
    <message>
        <source>Pitch</source>
        <translation>音高</translation>
    </message>
    <message>
        <source>Sample rate</source>
        <translation>取樣率</translation>
    </message>
    <message>
        <source>Source</source>
        <translation>來源</translation>
    </message>
    <message>
        <source>Speakers</source>
        <translation>說話者</translation>
    </message>
    <message>
        <source>Starts with these settings; double-click a name to reset.</source>
        <translation>從這些設定開始；按兩下名稱即可還原。</translation>
    </message>
    <message>
        <source>built in</source>
        <translation>內建</translation>
    </message>
    <message>
        <source>follows pitch</source>
        <translation>跟隨音高</translation>
    </message>
    <message>
        <source>none</source>
        <translation>無</translation>
    </message>
    <message>
        <source>present</source>
        <translation>有</translation>
    </message>
    <message>
        <source>without pitch</source>
        <translation>不跟隨音高</translation>
    </message>
    <message>
        <source>{name}:</source>
        <translation>{name}：</translation>
    </message>
</context>
<context>
    <name>VoicePanel</name>
    <message>
        <source>Add Voice…</source>
        <translation>加入聲音模型⋯</translation>
    </message>
    <message>
        <source>Adding…</source>
        <translation>正在加入⋯</translation>
    </message>
    <message>
        <source>Back to the usual settings for this voice</source>
        <translation>回復這個聲音的一般設定</translation>
    </message>
    <message>
        <source>Make Default</source>
        <translation>設為預設</translation>
    </message>
    <message>
        <source>More</source>
        <translation>更多</translation>
    </message>
    <message>
        <source>Progress</source>
        <translation>進度</translation>
    </message>
    <message>
        <source>Reset</source>
        <translation>重置</translation>
    </message>
    <message>
        <source>This voice starts with these settings from now on</source>
        <translation>這個聲音模型以後都從這些設定開始</translation>
    </message>
    <message>
        <source>Voice</source>
        <translation>聲音</translation>
    </message>
</context>
<context>
    <name>VoicesPage</name>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Cancelled.</source>
        <translation>已取消。</translation>
    </message>
    <message>
        <source>Choose a Picture</source>
        <translation>選擇圖片</translation>
    </message>
    <message>
        <source>Choose an Index</source>
        <translation>選擇索引</translation>
    </message>
    <message>
        <source>Drop .pth, .index, .zip, folders or links here to import them.</source>
        <translation>將 .pth、.index、.zip、檔案夾或連結拖到這裡即可輸入。</translation>
    </message>
    <message>
        <source>From a Link…</source>
        <translation>從連結⋯</translation>
    </message>
    <message>
        <source>Import Voices</source>
        <translation>輸入聲音模型</translation>
    </message>
    <message>
        <source>Importing {count} items…</source>
        <translation>正在輸入 {count} 個項目⋯</translation>
    </message>
    <message>
        <source>Importing “{name}”…</source>
        <translation>正在輸入「{name}」⋯</translation>
    </message>
    <message>
        <source>Import…</source>
        <translation>輸入⋯</translation>
    </message>
    <message>
        <source>Index ({endings})</source>
        <translation>索引（{endings}）</translation>
    </message>
    <message>
        <source>Pictures ({endings})</source>
        <translation>圖片（{endings}）</translation>
    </message>
    <message>
        <source>Progress</source>
        <translation>進度</translation>
    </message>
    <message>
        <source>Renaming…</source>
        <translation>正在重新命名⋯</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>還原</translation>
    </message>
    <message>
        <source>Voices</source>
        <translation>聲音</translation>
    </message>
    <message>
        <source>Voices ({endings})</source>
        <translation>聲音模型（{endings}）</translation>
    </message>
    <message>
        <source>{doing}  {percent} %</source>
        <translation>{doing}  {percent}%</translation>
    </message>
    <message>
        <source>“{name}” is in the Trash.</source>
        <translation>「{name}」已在垃圾桶中。</translation>
    </message>
</context>
<context>
    <name>WindowActions</name>
    <message>
        <source>About Ultimate RVC</source>
        <translation>關於 Ultimate RVC</translation>
    </message>
    <message>
        <source>Acknowledgements…</source>
        <translation>致謝…</translation>
    </message>
    <message>
        <source>Add Voice…</source>
        <translation>加入聲音模型⋯</translation>
    </message>
    <message>
        <source>Audition</source>
        <translation>預聽</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Cancel All</source>
        <translation>全部取消</translation>
    </message>
    <message>
        <source>Clear Finished</source>
        <translation>清除已完成項目</translation>
    </message>
    <message>
        <source>Close Window</source>
        <translation>關閉視窗</translation>
    </message>
    <message>
        <source>Convert Again</source>
        <translation>重新轉換</translation>
    </message>
    <message>
        <source>Convert with These Settings</source>
        <translation>以這些設定轉換</translation>
    </message>
    <message>
        <source>Copy Problem Report</source>
        <translation>拷貝問題報告</translation>
    </message>
    <message>
        <source>Copy Result</source>
        <translation>拷貝結果</translation>
    </message>
    <message>
        <source>Copy Timings</source>
        <translation>拷貝時間資料</translation>
    </message>
    <message>
        <source>Download What Is Missing</source>
        <translation>下載缺少的項目</translation>
    </message>
    <message>
        <source>Drag</source>
        <translation>拖曳</translation>
    </message>
    <message>
        <source>Edit</source>
        <translation>編輯</translation>
    </message>
    <message>
        <source>Enter Full Screen</source>
        <translation>進入全螢幕</translation>
    </message>
    <message>
        <source>Exit Full Screen</source>
        <translation>離開全螢幕</translation>
    </message>
    <message>
        <source>Export…</source>
        <translation>匯出⋯</translation>
    </message>
    <message>
        <source>File</source>
        <translation>檔案</translation>
    </message>
    <message>
        <source>Five seconds back or forth</source>
        <translation>後退或前進五秒</translation>
    </message>
    <message>
        <source>Help</source>
        <translation>輔助說明</translation>
    </message>
    <message>
        <source>In a waveform: back to the lane heard before</source>
        <translation>在波形上：回到先前聆聽的音軌</translation>
    </message>
    <message>
        <source>In a waveform: hear the lane above or below</source>
        <translation>在波形上：聆聽上方或下方的音軌</translation>
    </message>
    <message>
        <source>In a waveform: select what is looped; Escape ends it</source>
        <translation>在波形上：選取循環範圍；按 Escape 結束</translation>
    </message>
    <message>
        <source>Keyboard Shortcuts</source>
        <translation>鍵盤快速鍵</translation>
    </message>
    <message>
        <source>Minimize</source>
        <translation>縮到最小</translation>
    </message>
    <message>
        <source>Move Down</source>
        <translation>下移</translation>
    </message>
    <message>
        <source>Move Up</source>
        <translation>上移</translation>
    </message>
    <message>
        <source>Networks for Community Voices…</source>
        <translation>社群聲音模型的網路模型⋯</translation>
    </message>
    <message>
        <source>None</source>
        <translation>無</translation>
    </message>
    <message>
        <source>Open Recent</source>
        <translation>打開最近使用過的檔案</translation>
    </message>
    <message>
        <source>Open…</source>
        <translation>打開⋯</translation>
    </message>
    <message>
        <source>Paste</source>
        <translation>貼上</translation>
    </message>
    <message>
        <source>Play</source>
        <translation>播放</translation>
    </message>
    <message>
        <source>Play or pause</source>
        <translation>播放或暫停</translation>
    </message>
    <message>
        <source>Queue</source>
        <translation>佇列</translation>
    </message>
    <message>
        <source>Quit</source>
        <translation>結束</translation>
    </message>
    <message>
        <source>Remove Star</source>
        <translation>移除星號</translation>
    </message>
    <message>
        <source>Remove from Queue</source>
        <translation>從佇列移除</translation>
    </message>
    <message>
        <source>Rename Take</source>
        <translation>重新命名版本</translation>
    </message>
    <message>
        <source>Repeat Exactly</source>
        <translation>完全重現</translation>
    </message>
    <message>
        <source>Select All</source>
        <translation>全選</translation>
    </message>
    <message>
        <source>Settings…</source>
        <translation>設定⋯</translation>
    </message>
    <message>
        <source>Show in Finder</source>
        <translation>在 Finder 中顯示</translation>
    </message>
    <message>
        <source>Space</source>
        <translation>空白鍵</translation>
    </message>
    <message>
        <source>Star</source>
        <translation>加上星號</translation>
    </message>
    <message>
        <source>Tab</source>
        <translation>Tab</translation>
    </message>
    <message>
        <source>Undo Remove</source>
        <translation>還原移除</translation>
    </message>
    <message>
        <source>Use Settings of This Take</source>
        <translation>使用這一版的設定</translation>
    </message>
    <message>
        <source>Voice from a Link…</source>
        <translation>從連結加入聲音模型⋯</translation>
    </message>
    <message>
        <source>Window</source>
        <translation>視窗</translation>
    </message>
    <message>
        <source>Zoom</source>
        <translation>縮放</translation>
    </message>
</context>
<context>
    <name>_Notice</name>
    <message>
        <source>Dismiss</source>
        <translation>關閉</translation>
    </message>
</context>
<context>
    <name>cell_text</name>
    <message>
        <source>Cancelled</source>
        <translation>已取消</translation>
    </message>
    <message>
        <source>Converting</source>
        <translation>轉換中</translation>
    </message>
    <message>
        <source>Downloading {percent} %</source>
        <translation>下載中 {percent}%</translation>
    </message>
    <message>
        <source>Failed</source>
        <translation>失敗</translation>
    </message>
    <message>
        <source>Finished</source>
        <translation>已完成</translation>
    </message>
    <message>
        <source>Loading…</source>
        <translation>正在載入⋯</translation>
    </message>
    <message>
        <source>Needs a download</source>
        <translation>需要下載</translation>
    </message>
    <message>
        <source>Needs {size}</source>
        <translation>需下載 {size}</translation>
    </message>
    <message>
        <source>Not finished</source>
        <translation>未完成</translation>
    </message>
    <message>
        <source>Stopping…</source>
        <translation>正在停止⋯</translation>
    </message>
    <message>
        <source>Take {number}</source>
        <translation>第 {number} 版</translation>
    </message>
    <message>
        <source>Waiting</source>
        <translation>等待中</translation>
    </message>
    <message>
        <source>a voice</source>
        <translation>人聲</translation>
    </message>
    <message>
        <source>backing by the same voice</source>
        <translation>和聲用相同的聲音</translation>
    </message>
    <message>
        <source>backing by {voice}</source>
        <translation>和聲：{voice}</translation>
    </message>
    <message>
        <source>exact repeat</source>
        <translation>完全重現</translation>
    </message>
    <message>
        <source>vocals of a song</source>
        <translation>歌曲的人聲</translation>
    </message>
    <message>
        <source>whole song</source>
        <translation>整首歌曲</translation>
    </message>
    <message>
        <source>{device}, half precision</source>
        <translation>{device}，半精度</translation>
    </message>
    <message>
        <source>{take}, starred</source>
        <translation>{take}，已加星號</translation>
    </message>
</context>
<context>
    <name>engine_words</name>
    <message>
        <source>en</source>
        <translation>zh_TW</translation>
    </message>
</context>
<context>
    <name>gain_text</name>
    <message>
        <source>Comparing the device with the CPU…</source>
        <translation>正在比較裝置與 CPU…</translation>
    </message>
    <message>
        <source>Converting the test sound for comparison…</source>
        <translation>正在轉換用來比較的測試聲音⋯</translation>
    </message>
    <message>
        <source>Measured on {machine}, {day}, with full-size random networks.</source>
        <translation>量測於 {machine}，{day}，使用全尺寸的隨機網路。</translation>
    </message>
    <message>
        <source>Measured on {machine}, {day}, with the voice “{voice}”.</source>
        <translation>量測於 {machine}，{day}，使用聲音「{voice}」。</translation>
    </message>
    <message>
        <source>Measuring: {flag}</source>
        <translation>正在量測：{flag}</translation>
    </message>
    <message>
        <source>Preparing a test sound and networks…</source>
        <translation>正在準備測試聲音與網路模型⋯</translation>
    </message>
    <message>
        <source>about {minutes} min left</source>
        <translation>大約還需 {minutes} 分鐘</translation>
    </message>
    <message>
        <source>identical sound</source>
        <translation>聲音完全相同</translation>
    </message>
    <message>
        <source>not timed</source>
        <translation>未計時</translation>
    </message>
    <message>
        <source>not used: it fails on this machine</source>
        <translation>未採用：在這台電腦上無法執行</translation>
    </message>
    <message>
        <source>not used: no clear gain</source>
        <translation>未採用：沒有明顯的效益</translation>
    </message>
    <message>
        <source>not used: the sound would differ ({level})</source>
        <translation>未採用：聲音會不同（{level}）</translation>
    </message>
    <message>
        <source>not used: {speed}</source>
        <translation>未採用：{speed}</translation>
    </message>
    <message>
        <source>same speed</source>
        <translation>速度相同</translation>
    </message>
    <message>
        <source>usually takes a few minutes</source>
        <translation>通常需要幾分鐘</translation>
    </message>
    <message>
        <source>{flag} ({value})</source>
        <translation>{flag}（{value}）</translation>
    </message>
    <message>
        <source>{percent} % faster</source>
        <translation>快 {percent}%</translation>
    </message>
    <message>
        <source>{percent} % slower</source>
        <translation>慢 {percent}%</translation>
    </message>
    <message>
        <source>{time} so far</source>
        <translation>已經過 {time}</translation>
    </message>
</context>
<context>
    <name>intake</name>
    <message>
        <source>The folder “{name}” is empty</source>
        <translation>檔案夾「{name}」是空的</translation>
    </message>
    <message>
        <source>There is no audio, video or voice in the folder “{name}”</source>
        <translation>檔案夾「{name}」中沒有音訊、影片或聲音檔案</translation>
    </message>
    <message>
        <source>There is no audio, video or voice in {count} folders</source>
        <translation>{count} 個檔案夾中沒有音訊、影片或聲音檔案</translation>
    </message>
    <message>
        <source>{count} files aren't audio, video or voice files</source>
        <translation>{count} 個檔案不是音訊、影片或聲音檔案</translation>
    </message>
    <message>
        <source>{count} folders are empty</source>
        <translation>{count} 個檔案夾是空的</translation>
    </message>
    <message>
        <source>{count} sounds belong to the voice and are not converted; to convert them, drop them by themselves</source>
        <translation>{count} 個音訊檔屬於聲音模型，不會轉換；若要轉換，請單獨拖入</translation>
    </message>
    <message>
        <source>“{name}” belongs to the voice and is not converted; to convert it, drop it by itself</source>
        <translation>「{name}」屬於聲音模型，不會轉換；若要轉換，請單獨拖入</translation>
    </message>
    <message>
        <source>“{name}” isn't an audio, video or voice file</source>
        <translation>「{name}」不是音訊、影片或聲音檔案</translation>
    </message>
</context>
<context>
    <name>lane</name>
    <message>
        <source>Result</source>
        <translation>結果</translation>
    </message>
    <message>
        <source>Source</source>
        <translation>來源</translation>
    </message>
    <message>
        <source>Waveform of the result</source>
        <translation>結果的波形</translation>
    </message>
    <message>
        <source>Waveform of the source</source>
        <translation>來源的波形</translation>
    </message>
    <message>
        <source>Waveform of {take}</source>
        <translation>{take}的波形</translation>
    </message>
</context>
<context>
    <name>licence_question</name>
    <message>
        <source>Accept and Download</source>
        <translation>接受並下載</translation>
    </message>
    <message>
        <source>Look at {page} and download it only if you may use it.</source>
        <translation>請查看 {page}，只有在您可以使用它時才下載。</translation>
    </message>
    <message>
        <source>Read Licence</source>
        <translation>閱讀授權條款</translation>
    </message>
    <message>
        <source>Read it on {page} and accept it before the download.</source>
        <translation>下載前請在 {page} 閱讀並接受。</translation>
    </message>
    <message>
        <source>The licence of “{network}” is not known.</source>
        <translation>「{network}」的授權條款不明。</translation>
    </message>
    <message>
        <source>“{network}” has a licence of its own: {licence}.</source>
        <translation>「{network}」有自己的授權條款：{licence}。</translation>
    </message>
</context>
<context>
    <name>settings</name>
    <message>
        <source>Address to use instead of huggingface.co.</source>
        <translation>取代 huggingface.co 使用的網址。</translation>
    </message>
    <message>
        <source>Changes immediately; a running conversion continues.</source>
        <translation>立即更改；執行中的轉換會繼續。</translation>
    </message>
    <message>
        <source>Folder for results</source>
        <translation>結果檔案夾</translation>
    </message>
    <message>
        <source>Free memory after</source>
        <translation>釋放記憶體時間</translation>
    </message>
    <message>
        <source>In one folder</source>
        <translation>在同一個檔案夾</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>語言</translation>
    </message>
    <message>
        <source>Match loudness when comparing</source>
        <translation>比較時對齊響度</translation>
    </message>
    <message>
        <source>Minutes idle; the next conversion loads the networks again.</source>
        <translation>閒置的分鐘數；下次轉換會重新載入網路。</translation>
    </message>
    <message>
        <source>Mirror</source>
        <translation>鏡像站</translation>
    </message>
    <message>
        <source>Next to the source</source>
        <translation>在來源旁邊</translation>
    </message>
    <message>
        <source>None chosen</source>
        <translation>尚未選擇</translation>
    </message>
    <message>
        <source>Notify when finished</source>
        <translation>完成時通知</translation>
    </message>
    <message>
        <source>Only while the window isn't in front.</source>
        <translation>僅在視窗不在最前面時。</translation>
    </message>
    <message>
        <source>Quick Convert and progress without opening the window.</source>
        <translation>不打開視窗也能快速轉換並查看進度。</translation>
    </message>
    <message>
        <source>Results never replace another file.</source>
        <translation>結果不會取代其他檔案。</translation>
    </message>
    <message>
        <source>Same as system</source>
        <translation>與系統相同</translation>
    </message>
    <message>
        <source>Save results</source>
        <translation>儲存結果</translation>
    </message>
    <message>
        <source>Show in the menu bar</source>
        <translation>顯示在選單列</translation>
    </message>
    <message>
        <source>Source and result play equally loud; files are not changed.</source>
        <translation>原聲和結果以相同響度播放；檔案不會改變。</translation>
    </message>
    <message>
        <source>Start at login</source>
        <translation>登入時啟動</translation>
    </message>
    <message>
        <source>The app waits in the menu bar, without a window.</source>
        <translation>App 在選單列等候，不打開視窗。</translation>
    </message>
    <message>
        <source>Used when results go into one folder.</source>
        <translation>結果存到同一個檔案夾時使用。</translation>
    </message>
    <message>
        <source>min</source>
        <translation>分鐘</translation>
    </message>
</context>
<context>
    <name>song_question</name>
    <message>
        <source>Convert as a Song</source>
        <translation>當作歌曲轉換</translation>
    </message>
    <message>
        <source>Keep as a Voice</source>
        <translation>維持為人聲</translation>
    </message>
    <message>
        <source>{count} files sound like whole songs, but are converted as voices.</source>
        <translation>{count} 個檔案聽起來像整首歌曲，但會當作人聲轉換。</translation>
    </message>
    <message>
        <source>“{name}” sounds like a whole song, but is converted as a voice.</source>
        <translation>「{name}」聽起來像整首歌曲，但會當作人聲轉換。</translation>
    </message>
</context>
<context>
    <name>voice_shelf</name>
    <message>
        <source>Imported: {names}.</source>
        <translation>已輸入：{names}。</translation>
    </message>
</context>
<context>
    <name>voices</name>
    <message>
        <source>Starter</source>
        <translation>入門聲音</translation>
    </message>
</context>
</TS>
